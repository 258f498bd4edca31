"""What a file holds, whatever kind of file it is: arrays of which single rows can be had."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from gramscope.report.files import ReportError

__all__ = [
    "Array",
    "Contents",
    "Index",
    "Kind",
    "kind_of",
    "needed",
    "reading",
    "tensor_of",
    "unmapped",
]

Index = npt.NDArray[np.int64]
"""Positions of rows, in ascending order."""

Kind = Literal["floats", "integers", "booleans", "texts", "objects", "others"]

_MAPPED = 16

_KINDS: dict[str, Kind] = {
    "f": "floats",
    "i": "integers",
    "u": "integers",
    "b": "booleans",
    "U": "texts",
    "S": "texts",
    "O": "objects",
}


class Array(ABC):
    """An array in a file; nothing of it is read before somebody asks for rows."""

    shape: tuple[int, ...]
    dtype: str
    """What the file calls it."""
    kind: Kind

    @abstractmethod
    def rows(self, index: Index) -> Any:
        """Some rows, ``[k, …]``: a tensor, or a list of texts.

        Args:
            index: ``[k]``, which rows.
        """

    @property
    def numeric(self) -> bool:
        """Whether it can be features."""
        return self.kind in ("floats", "integers")

    def __str__(self) -> str:
        return f"{[*self.shape]} {self.dtype}"


@dataclass(frozen=True)
class Contents:
    """What a file holds."""

    arrays: Mapping[str, Array]
    """By name; an array that is alone in its file may have none."""
    together: Callable[[Sequence[str]], Array] | None = None
    """Of a table: some of its columns, side by side as features; ``None``: it is no table."""


def kind_of(dtype: np.dtype[Any]) -> Kind:
    """What NumPy's dtype is for us; of records, complex numbers and dates nothing."""
    return _KINDS.get(dtype.kind, "others")


def tensor_of(array: npt.NDArray[Any]) -> torch.Tensor:
    """A NumPy array of numbers as a tensor, whatever its byte order, width and strides."""
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        return torch.from_numpy(array.astype(np.float64))
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:  # torch hardly knows these
        return torch.from_numpy(array.astype(np.int64))
    return torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("="), order="C"))


def unmapped(index: Index, read: Callable[[Index], torch.Tensor]) -> torch.Tensor:
    """Rows of a mapped file, a few at a time.

    What a row touches of the map, up to megabytes around it, counts as memory of the process until
    the map is given up.

    Args:
        index: ``[k]``, which rows.
        read: Maps the file, copies some rows, and gives up the map.
    """
    parts = [read(index[i : i + _MAPPED]) for i in range(0, len(index), _MAPPED)]
    return torch.cat(parts)


def needed(module: str, suffix: str) -> Any:
    """A library that not everybody has.

    Raises:
        ReportError: If it is not installed; says how to install it.
    """
    try:
        return import_module(module)
    except ImportError:
        raise ReportError(
            f"{suffix} files are read with {module.partition('.')[0]}, which is not installed: "
            "pip install 'hydra-gramscope[analyze]'"
        ) from None


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Give whatever a damaged file leads to as one line.

    Raises:
        ReportError: If the file cannot be read.
    """
    try:
        yield
    except ReportError:
        raise
    except OSError as error:
        raise ReportError(f"{path} cannot be read ({error.strerror or error})") from None
    except Exception as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise ReportError(
            f"{path} cannot be read: it is damaged, or no {path.suffix} file ({said})"
        ) from None
