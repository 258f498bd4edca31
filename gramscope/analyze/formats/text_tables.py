"""`.csv` and `.tsv`: one record at a time, those that are wanted kept."""

from __future__ import annotations

import csv
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gramscope.analyze.arrays import Array, Contents, Index, Kind
from gramscope.report.files import ReportError

__all__ = ["text_table"]

_LOOKED_AT = 200
"""Records by which it is decided what a column holds."""
_MISSING = {"", "na", "n/a", "null", "none", "?"}


def text_table(path: Path) -> Contents:
    """The columns of a table of text, with or without a line of their names.

    Raises:
        ReportError: If its records have different lengths, or two columns the same name.
    """
    table = _Table(path)
    columns = {name: _Column(table, place) for place, name in enumerate(table.names)}
    return Contents(columns, lambda names: _Columns(table, [table.names.index(n) for n in names]))


class _Table:
    """A text file that is gone through once to be counted, and once for the rows of each event."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._delimiter = _delimiter(path)
        self._chosen: tuple[bytes, list[list[str]]] = (b"", [])
        self._plain = _is_plain(path)
        with closing(self._records()) as records:
            first = next(records, [])
            self._named = _are_names(first)
            self.names = first if self._named else [str(i) for i in range(len(first))]
            look = list(islice(records, _LOOKED_AT))
        _check_names(path, self.names)
        self.sample = look if self._named else [first, *look]
        with closing(self._rows()) as rows:
            self.length = sum(1 for _ in rows)

    def chosen(self, index: Index) -> list[list[str]]:
        """Some records, kept for the next column that is asked for."""
        key = index.tobytes()
        if self._chosen[0] != key:
            wanted = {*index.tolist()}
            with closing(self._rows()) as rows:
                found = [row for at, row in enumerate(rows) if at in wanted]
            records = (self._split(row) if isinstance(row, str) else row for row in found)
            self._chosen = key, [*records]
        return self._chosen[1]

    def _rows(self) -> Generator[str | list[str], None, None]:
        """All records but the names; lines as they stand are gone through several times as fast."""
        with closing(self._lines() if self._plain else self._records()) as rows:
            yield from islice(rows, int(self._named), None)

    def _records(self) -> Generator[list[str], None, None]:
        width = 0
        with self._path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter=self._delimiter)
            for record in filter(None, reader):
                width = width or len(record)
                self._check(len(record), width, reader.line_num)
                yield record

    def _lines(self) -> Generator[str, None, None]:
        width = len(self.names)
        with self._path.open(newline="", encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip("\r\n"):
                    self._check(line.count(self._delimiter) + 1, width, number)
                    yield line

    def _split(self, line: str) -> list[str]:
        return next(csv.reader([line], delimiter=self._delimiter))

    def _check(self, values: int, width: int, line: int) -> None:
        if values != width:
            raise ReportError(
                f"{self._path}, line {line}: {values} values where the first line has {width}"
            )

    def number(self, text: str, place: int) -> float:
        """The number that a value is; NaN where there is none.

        Raises:
            ReportError: If it is text.
        """
        value = _number(text)
        if value is None:
            raise ReportError(
                f"{self._path}: column {self.names[place]!r} holds {text[:40]!r}, which is no "
                "number; choose others with --features"
            )
        return value


class _Column(Array):
    def __init__(self, table: _Table, place: int) -> None:
        self._table, self._place = table, place
        self.shape = (table.length,)
        self.kind = _kind([record[place] for record in table.sample])
        self.dtype = {"floats": "numbers", "integers": "whole numbers"}.get(self.kind, "text")

    def rows(self, index: Index) -> Any:
        values = [record[self._place] for record in self._table.chosen(index)]
        if self.kind == "integers":
            with suppress(ValueError):
                return torch.tensor([int(value) for value in values])
        return values


class _Columns(Array):
    def __init__(self, table: _Table, places: Sequence[int]) -> None:
        self._table, self._places = table, places
        self.shape = (table.length, len(places))
        self.dtype, self.kind = "numbers", "floats"

    def rows(self, index: Index) -> Tensor:
        number = self._table.number
        records = self._table.chosen(index)
        rows = [[number(record[place], place) for place in self._places] for record in records]
        return torch.tensor(rows, dtype=torch.float64)


def _is_plain(path: Path) -> bool:
    """Whether each line is a record, since none has quotes."""
    with path.open("rb") as file:
        return all(b'"' not in part for part in iter(lambda: file.read(1 << 20), b""))


def _delimiter(path: Path) -> str:
    if path.suffix.lower() == ".tsv":
        return "\t"
    with path.open(encoding="utf-8-sig") as file:
        line = file.readline(1 << 20)
    return max(",;\t", key=line.count)


def _are_names(first: Sequence[str]) -> bool:
    """Whether a first line holds no numbers, or counts columns as pandas does."""
    counted = [*map(str, range(len(first)))]
    if len(first) > 2 and list(first) in (counted, ["", *counted[:-1]]):
        return True
    return any(_number(value) is None for value in first)


def _check_names(path: Path, names: Sequence[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ReportError(f"{path} has two columns called {twice!r}: give each a name of its own")


def _number(text: str) -> float | None:
    if text.strip().lower() in _MISSING:
        return float("nan")
    try:
        return float(text)
    except ValueError:
        return None


def _kind(values: Sequence[str]) -> Kind:
    """What the first values of a column are; numbers without a point are counts, or ids."""
    known = [value for value in values if value.strip().lower() not in _MISSING]
    if any(_number(value) is None for value in known):
        return "texts"
    whole = known and all(value.strip().lstrip("+-").isdecimal() for value in known)
    return "integers" if whole else "floats"
