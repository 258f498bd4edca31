"""`.safetensors`: slices of mapped tensors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gramscope.analyze.arrays import Array, Contents, Index, needed, unmapped
from gramscope.analyze.formats.torch_files import kind_of_tensor

__all__ = ["safetensors_file"]


def safetensors_file(path: Path) -> Contents:
    """The tensors of the file.

    Raises:
        ReportError: If the library is not installed.
    """
    opener = partial(needed("safetensors", path.suffix).safe_open, str(path), framework="pt")
    with opener() as opened:
        names = opened.keys()
        return Contents({n: _Slices(opener, n, opened.get_slice(n)) for n in names})


class _Slices(Array):
    def __init__(self, opener: Callable[[], Any], name: str, slices: Any) -> None:
        self._opener, self._name = opener, name
        self.shape = tuple(slices.get_shape())
        self.dtype = str(slices.get_dtype())
        self.kind = kind_of_tensor(slices[:0]) if self.shape else "others"

    def rows(self, index: Index) -> Tensor:
        return unmapped(index, self._read)

    def _read(self, index: Index) -> Tensor:
        with self._opener() as opened:
            slices = opened.get_slice(self._name)
            return torch.cat([slices[i : i + 1] for i in index.tolist()])
