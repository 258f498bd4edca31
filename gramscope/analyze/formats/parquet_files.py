"""`.parquet`: batches of the columns that are wanted, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gramscope.analyze.arrays import Array, Contents, Index, Kind, needed, tensor_of
from gramscope.report.files import ReportError

__all__ = ["parquet_file"]

_BATCH = 4096
"""Rows that are in memory at a time."""
_BUFFER = 1 << 20


def parquet_file(path: Path) -> Contents:
    """The columns of the file: numbers, texts, and lists of numbers that are all of one length.

    Raises:
        ReportError: If the library is not installed.
    """
    # A map of the file, and what is read ahead of it, would count as memory of the process.
    file = needed("pyarrow.parquet", path.suffix).ParquetFile(
        path, buffer_size=_BUFFER, pre_buffer=False
    )
    columns = {field.name: _column(path, file, field) for field in file.schema_arrow}
    return Contents(columns, lambda names: _Scalars(path, file, names))


def _column(path: Path, file: Any, field: Any) -> Array:
    types = needed("pyarrow", path.suffix).types
    of = field.type
    if types.is_list(of) or types.is_large_list(of) or types.is_fixed_size_list(of):
        return _Lists(path, file, field.name, _kind(types, of.value_type))
    return _Scalar(path, file, field.name, _kind(types, of))


def _kind(types: Any, of: Any) -> Kind:
    if types.is_dictionary(of):
        return _kind(types, of.value_type)
    if types.is_string(of) or types.is_large_string(of):
        return "texts"
    if types.is_boolean(of):
        return "booleans"
    if types.is_integer(of):
        return "integers"
    return "floats" if types.is_floating(of) else "others"


class _Columns(Array):
    """Some columns of the file."""

    def __init__(self, path: Path, file: Any, names: Sequence[str], kind: Kind) -> None:
        self._path, self._file, self._names = path, file, names
        self.shape = (file.metadata.num_rows,)
        self.kind = kind
        self.dtype = str(file.schema_arrow.field(names[0]).type)

    def _parts(self, index: Index) -> list[Any]:
        """Record batches of the rows that are wanted, which lie anywhere."""
        start, parts = 0, []
        batches = self._file.iter_batches(_BATCH, columns=[*self._names], use_threads=False)
        for batch in batches:
            first, last = np.searchsorted(index, (start, start + len(batch)))
            if last > first:
                parts.append(batch.take(index[first:last] - start))
            start += len(batch)
        return parts


class _Scalar(_Columns):
    def __init__(self, path: Path, file: Any, name: str, kind: Kind) -> None:
        super().__init__(path, file, [name], kind)

    def rows(self, index: Index) -> Any:
        values = [value for part in self._parts(index) for value in part.column(0).to_pylist()]
        if None in values:  # as a CSV file has it
            return ["" if value is None else str(value) for value in values]
        return values


class _Scalars(_Columns):
    """Columns of numbers side by side."""

    def __init__(self, path: Path, file: Any, names: Sequence[str]) -> None:
        super().__init__(path, file, names, "floats")
        self.shape = (*self.shape, len(names))

    def rows(self, index: Index) -> Any:
        parts = self._parts(index)
        return tensor_of(np.concatenate([np.stack([*map(_numbers, p.columns)], 1) for p in parts]))


class _Lists(_Columns):
    """A column that holds a vector in each row."""

    def __init__(self, path: Path, file: Any, name: str, kind: Kind) -> None:
        super().__init__(path, file, [name], kind)
        self._lengths = needed("pyarrow.compute", path.suffix).list_value_length
        first = next(file.iter_batches(1, columns=[name]), None)
        length = len(first.column(0)[0].as_py() or ()) if first is not None and len(first) else 0
        self.shape = (*self.shape, length)

    def rows(self, index: Index) -> Any:
        return tensor_of(np.concatenate([self._vectors(p.column(0)) for p in self._parts(index)]))

    def _vectors(self, column: Any) -> npt.NDArray[Any]:
        lengths = {*self._lengths(column).to_pylist()}
        if lengths != {self.shape[1]}:
            other = next(n for n in lengths if n != self.shape[1])
            raise ReportError(
                f"{self._path}: column {self._names[0]!r} has lists of {self.shape[1]} and of "
                f"{other or 0} values; features are of one length"
            )
        return _numbers(column.flatten()).reshape(-1, self.shape[1])


def _numbers(column: Any) -> npt.NDArray[Any]:
    """NaN where a value is missing."""
    return np.asarray(column.to_numpy(zero_copy_only=False))
