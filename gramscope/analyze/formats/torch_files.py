"""`.pt` and `.pth`: tensors in memory maps, and nothing that would have to run to be loaded."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gramscope.analyze.arrays import Array, Contents, Index, Kind, unmapped
from gramscope.report.files import ReportError

__all__ = ["kind_of_tensor", "torch_file"]

_DEEPEST = 6
_REMEDY = "save the tensors alone: torch.save({'features': z}, FILE)"


def torch_file(path: Path) -> Contents:
    """The tensors of a file that `torch.save` wrote, by dotted paths, and lists of texts.

    Raises:
        ReportError: If loading it would run code, or would take the memory of all of it.
    """
    _refuse_programs(path)
    return Contents(
        {
            name: _Texts(value) if isinstance(value, list) else _Mapped(path, name, value)
            for name, value in _leaves(_load(path))
        }
    )


def _refuse_programs(path: Path) -> None:
    """What torch makes of these before it looks at `weights_only` differs between its versions."""
    if not zipfile.is_zipfile(path):
        raise ReportError(
            f"{path} is refused: it is a bare pickle, or was written before torch 1.6; {_REMEDY}"
        )
    with zipfile.ZipFile(path) as archive:
        if any(name.endswith("constants.pkl") for name in archive.namelist()):
            raise ReportError(f"{path} is refused: it is a TorchScript program; {_REMEDY}")


def _load(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        names = re.findall(r"(?:GLOBAL|class) ([\w.]+)", str(error))
        what = f"{names[0]}, which is run to load it" if names else "more than tensors"
        raise ReportError(f"{path} is refused: it names {what}; {_REMEDY}") from None


def _leaves(held: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, Tensor | list[str]]]:
    if isinstance(held, Tensor):
        yield path, held.detach()
    elif isinstance(held, (list, tuple)) and held and all(isinstance(v, str) for v in held):
        yield path, [*held]
    elif isinstance(held, (list, tuple)) and held and all(isinstance(v, int) for v in held):
        yield path, torch.tensor(held)
    elif isinstance(held, (Mapping, list, tuple)) and depth < _DEEPEST:
        items = held.items() if isinstance(held, Mapping) else enumerate(held)
        for name, value in items:
            yield from _leaves(value, f"{path}.{name}" if path else str(name), depth + 1)


class _Mapped(Array):
    def __init__(self, path: Path, name: str, tensor: Tensor) -> None:
        self._path, self._name = path, name
        self.shape = tuple(tensor.shape)
        self.dtype = str(tensor.dtype).removeprefix("torch.")
        self.kind = kind_of_tensor(tensor)

    def rows(self, index: Index) -> Tensor:
        return unmapped(index, self._read)

    def _read(self, index: Index) -> Tensor:
        tensor = dict(_leaves(_load(self._path)))[self._name]
        assert isinstance(tensor, Tensor)
        return tensor[torch.from_numpy(index)]


class _Texts(Array):
    def __init__(self, texts: list[str]) -> None:
        self._texts = texts
        self.shape = (len(texts),)
        self.dtype, self.kind = "text", "texts"

    def rows(self, index: Index) -> list[str]:
        return [self._texts[i] for i in index.tolist()]


def kind_of_tensor(tensor: Tensor) -> Kind:
    """Dense ones of real numbers can be features."""
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_complex():
        return "others"
    if tensor.dtype is torch.bool:
        return "booleans"
    return "floats" if tensor.is_floating_point() else "integers"
