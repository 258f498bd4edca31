"""`.npy` and `.npz`: rows are sought in the file, or in the stream that unpacks it.

A memory map would be shorter, but what it has touched counts as memory of the process, and a
member of an `.npz` has none.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from gramscope.analyze.arrays import Array, Contents, Index, kind_of, tensor_of

__all__ = ["npy_file", "npz_file"]

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}

Opener = Callable[[], AbstractContextManager[IO[bytes]]]


def npy_file(path: Path) -> Contents:
    """The one array of an `.npy` file."""
    return Contents({"": _Stored(lambda: path.open("rb"))})


def npz_file(path: Path) -> Contents:
    """The arrays of an `.npz` file, which may be compressed."""
    with zipfile.ZipFile(path) as archive:
        members = [name for name in archive.namelist() if name.endswith(".npy")]
    return Contents({name[:-4]: _Stored(partial(_Member, path, name)) for name in members})


class _Member:
    """One file of a zip archive, open."""

    def __init__(self, path: Path, name: str) -> None:
        self._archive = zipfile.ZipFile(path)
        self._name = name

    def __enter__(self) -> IO[bytes]:
        return self._archive.open(self._name)

    def __exit__(self, *_: object) -> None:
        self._archive.close()


class _Stored(Array):
    """An array as NumPy writes it."""

    def __init__(self, opener: Opener) -> None:
        self._open = opener
        with opener() as file:
            header = _HEADERS.get(npy.read_magic(file))
            # A later version is for names of fields, and records are no features.
            read = header(file) if header else ((), False, np.dtype([("f", "V1")]))
            self._start = file.tell()
        self._dtype: np.dtype[Any]
        self.shape, self._by_column, self._dtype = read
        self.dtype = str(self._dtype) if self._dtype.names is None else "records"
        self.kind = kind_of(self._dtype)

    def rows(self, index: Index) -> Any:
        with self._open() as file:
            read = self._columns if self._by_column else self._rows
            found = read(file, index)
        return found.tolist() if self.kind == "texts" else tensor_of(found)

    def _rows(self, file: IO[bytes], index: Index) -> npt.NDArray[Any]:
        found = np.empty((len(index), *self.shape[1:]), self._dtype)
        size = prod(self.shape[1:]) * self._dtype.itemsize
        for place, row in enumerate(index.tolist()):
            file.seek(self._start + row * size)
            found[place] = self._read(file, size).reshape(self.shape[1:])
        return found

    def _columns(self, file: IO[bytes], index: Index) -> npt.NDArray[Any]:
        """In Fortran's order a column of all rows stands together: one after the other."""
        file.seek(self._start)
        size = self.shape[0] * self._dtype.itemsize
        columns = [self._read(file, size)[index] for _ in range(prod(self.shape[1:]))]
        found: npt.NDArray[Any] = np.array(columns).reshape(*self.shape[:0:-1], len(index)).T
        return found

    def _read(self, file: IO[bytes], size: int) -> npt.NDArray[Any]:
        data = file.read(size)
        if len(data) < size:
            raise EOFError("it ends before its last row")
        return np.frombuffer(data, self._dtype)
