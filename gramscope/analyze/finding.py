"""The features of a file, with what is known of their rows; nothing of them is read here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from gramscope.analyze.arrays import Array, Contents, reading
from gramscope.analyze.files import choose_features, open_file
from gramscope.config.views import Views
from gramscope.picture.names import plain as short
from gramscope.report.files import ReportError

__all__ = ["Asked", "Subject", "few", "find"]

_HOW = "cls, mean, gap, flatten, or the index of a token"


@dataclass(frozen=True)
class Asked:
    """What the command was asked for."""

    features: str | None = None
    labels: str | None = None
    ids: str | None = None
    pool: str | int | None = None
    views: Views | None = None
    samples: int = 2048
    """Rows that are looked at, at most."""


@dataclass
class Subject:
    """The features of one file, and what is known of their rows; nothing of it is read yet."""

    path: Path
    name: str
    """Of the array; empty where it needs none."""
    array: Array
    asked: Asked
    marks: dict[str, tuple[Path, Array]]
    """`labels` and `ids`, and the files that they are in."""
    left_out: list[str]
    """Columns of a table that are no features."""

    @property
    def rows(self) -> int:
        """N."""
        return self.array.shape[0]

    @property
    def samples(self) -> int:
        """Rows over views."""
        return self.rows // (self.asked.views.count if self.asked.views else 1)


def find(path: Path, asked: Asked) -> Subject:
    """Open a file, and find in it what was asked for.

    Raises:
        ReportError: If it is not there, or cannot be what it should.
    """
    held = open_file(path)
    asked_for = {"labels": asked.labels, "ids": asked.ids}
    with reading(path):
        marks = {what: _marks(path, held, what, name) for what, name in asked_for.items() if name}
    known = [name for name in asked_for.values() if name and name in held.arrays]
    name, array, left_out = choose_features(path, held, asked.features, known)
    subject = Subject(path, name, array, asked, marks, left_out)
    _check(subject)
    return subject


def _marks(path: Path, held: Contents, what: str, name: str) -> tuple[Path, Array]:
    """Labels or ids: an array of the file, or the only one of another file."""
    if name in held.arrays:
        file, array = path, held.arrays[name]
    elif Path(name).exists():
        file, others = Path(name), open_file(Path(name)).arrays
        if len(others) != 1:
            raise ReportError(f"{file} holds {few([*others])}; --{what} takes a file of one")
        (array,) = others.values()
    else:
        names = few([*filter(None, held.arrays)]) or "nothing that has a name"
        raise ReportError(f"--{what} {name}: no file, and {path} holds {names}")
    if array.kind not in ("integers", "booleans", "texts") or prod(array.shape[1:]) != 1:
        raise ReportError(f"--{what} {name} is {array}; expected an integer or text for each row")
    return file, array


def _check(subject: Subject) -> None:
    path, array, views = subject.path, subject.array, subject.asked.views
    if subject.rows < 2 or not prod(array.shape[1:]):
        raise ReportError(f"{path}: {array} holds no two rows to compare; expected [N, D]")
    if views and subject.rows % views.count:
        raise ReportError(f"{path}: {subject.rows} rows are not {views.count} views of each sample")
    if subject.asked.pool is None and prod(array.shape[2:]) > 1:
        raise ReportError(f"{path}: of {array} say with --pool what is a row: {_HOW}")
    for what, (file, marks) in subject.marks.items():
        if marks.shape[0] not in (subject.rows, subject.samples):
            raise ReportError(
                f"--{what}: {file} has {marks.shape[0]} entries for {subject.rows} rows of {path}"
                + (f", or {subject.samples} samples" if views else "")
            )


def few(names: Sequence[str], most: int = 8) -> str:
    """The first of some names, each short, and how many there are beside."""
    shown = ", ".join(short(name, 40) if name else "''" for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
