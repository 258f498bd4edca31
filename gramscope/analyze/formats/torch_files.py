"""`.pt` and `.pth`: tensors in memory maps, and nothing that would have to run to be loaded."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gramscope.analyze.arrays import Array, Contents, Index, Kind
from gramscope.report.files import ReportError

__all__ = ["kind_of_tensor", "torch_file"]

_DEEPEST = 6
_REMEDY = "save the tensors alone: torch.save({'features': z}, FILE)"


def torch_file(path: Path) -> Contents:
    """The tensors of a file that `torch.save` wrote, by dotted paths, and lists of texts.

    Raises:
        ReportError: If loading it would run code, or would take the memory of all of it.
    """
    # What torch makes of these before it looks at `weights_only` differs between its versions.
    if not zipfile.is_zipfile(path):
        raise ReportError(
            f"{path} is refused: it is a bare pickle, or was written before torch 1.6; {_REMEDY}"
        )
    with zipfile.ZipFile(path) as archive:
        if any(name.endswith("constants.pkl") for name in archive.namelist()):
            raise ReportError(f"{path} is refused: it is a TorchScript program; {_REMEDY}")
    try:
        held = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        names = re.findall(r"(?:GLOBAL|class) ([\w.]+)", str(error))
        what = f"{names[0]}, which is run to load it" if names else "more than tensors"
        raise ReportError(f"{path} is refused: it names {what}; {_REMEDY}") from None
    return Contents(dict(_leaves(held)))


def _leaves(held: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, Array]]:
    if isinstance(held, Tensor):
        yield path, _Dense(held)
    elif isinstance(held, (list, tuple)) and held and all(isinstance(v, str) for v in held):
        yield path, _Texts(held)
    elif isinstance(held, (list, tuple)) and held and all(isinstance(v, int) for v in held):
        yield path, _Dense(torch.tensor(held))
    elif isinstance(held, (Mapping, list, tuple)) and depth < _DEEPEST:
        items = held.items() if isinstance(held, Mapping) else enumerate(held)
        for name, value in items:
            yield from _leaves(value, f"{path}.{name}" if path else str(name), depth + 1)


class _Dense(Array):
    """A tensor that is there, or mapped."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor
        self.shape = tuple(tensor.shape)
        self.dtype = str(tensor.dtype).removeprefix("torch.")
        self.kind = kind_of_tensor(tensor)

    def rows(self, index: Index) -> Tensor:
        return self._tensor.detach()[torch.from_numpy(index)]


class _Texts(Array):
    def __init__(self, texts: list[str] | tuple[str, ...]) -> None:
        self._texts = texts
        self.shape = (len(texts),)
        self.dtype, self.kind = "text", "texts"

    def rows(self, index: Index) -> list[str]:
        return [self._texts[i] for i in np.asarray(index).tolist()]


def kind_of_tensor(tensor: Tensor) -> Kind:
    """Dense ones of real numbers can be features."""
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_complex():
        return "others"
    if tensor.dtype is torch.bool:
        return "booleans"
    return "floats" if tensor.is_floating_point() else "integers"
