"""`.safetensors`: slices of mapped tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gramscope.analyze.arrays import Array, Contents, Index, needed
from gramscope.analyze.formats.torch_files import kind_of_tensor

__all__ = ["safetensors_file"]


def safetensors_file(path: Path) -> Contents:
    """The tensors of the file.

    Raises:
        ReportError: If the library is not installed.
    """
    opened = needed("safetensors", path.suffix).safe_open(str(path), framework="pt")
    return Contents({name: _Slices(opened.get_slice(name)) for name in opened.keys()})  # noqa: SIM118


class _Slices(Array):
    def __init__(self, slices: Any) -> None:
        self._slices = slices
        self.shape = tuple(slices.get_shape())
        self.dtype = str(slices.get_dtype())
        self.kind = kind_of_tensor(slices[:0]) if self.shape else "others"

    def rows(self, index: Index) -> Tensor:
        return torch.cat([self._slices[i : i + 1] for i in index.tolist()])
