"""From the features of one file to an event, as a callback would have had it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gramscope.analyze.arrays import Array, Contents, Index, reading
from gramscope.analyze.files import choose_features, open_file
from gramscope.config.views import Views
from gramscope.events import Event
from gramscope.monitor.assembly import assemble
from gramscope.monitor.capture import Chunk
from gramscope.monitor.due_step import Channel, DueStep
from gramscope.monitor.evaluation import evaluate
from gramscope.monitor.features import FeatureError
from gramscope.monitor.pooling import as_features
from gramscope.monitor.rows import RowSampler, Selection
from gramscope.monitor.warn_once import WarnOnce
from gramscope.monitor.wire import Gathered, computable
from gramscope.picture.look import Look
from gramscope.report.files import ReportError

__all__ = ["LOG_KEY", "Asked", "Looked", "Subject", "find", "look"]

LOG_KEY = "gram_matrix"

_AT_A_TIME = 32 << 20
"""Bytes of features of more than two dimensions that are read before they are pooled."""
_POOLS = "cls, mean, gap, flatten, or the index of a token"


@dataclass(frozen=True)
class Asked:
    """What the command was asked for."""

    features: str | None = None
    labels: str | None = None
    ids: str | None = None
    pool: str | None = None
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


@dataclass
class Looked:
    """What became of a subject."""

    subject: Subject
    event: Event
    chosen: int
    """Rows that were read."""
    remarks: list[str] = field(default_factory=list)


def find(path: Path, asked: Asked) -> Subject:
    """Open a file, and find in it what was asked for.

    Raises:
        ReportError: If it is not there, or cannot be what it should.
    """
    held = open_file(path)
    marks = {
        what: _marks(path, held, what, name)
        for what, name in (("labels", asked.labels), ("ids", asked.ids))
        if name is not None
    }
    known = [name for name in (asked.labels, asked.ids) if name and name in held.arrays]
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
            raise ReportError(f"{file} holds {', '.join(others)}; --{what} takes a file of one")
        (array,) = others.values()
    else:
        names = ", ".join(filter(None, held.arrays)) or "nothing that has a name"
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
        raise ReportError(f"{path}: of {array} say with --pool what is a row: {_POOLS}")
    for what, (file, marks) in subject.marks.items():
        if marks.shape[0] not in (subject.rows, subject.samples):
            raise ReportError(
                f"--{what}: {file} has {marks.shape[0]} entries for {subject.rows} rows of {path}"
                + (f", or {subject.samples} samples" if views else "")
            )


def look(subject: Subject, step: int, name: str, samples: int) -> Looked:
    """Read some rows, and measure them.

    Args:
        subject: What to look at.
        step: Of the event.
        name: What the features are called there.
        samples: How many rows to take, at most; whole samples, evenly spread.

    Raises:
        ReportError: If the file turns out to be damaged.
    """
    views = subject.asked.views
    sampler = RowSampler(lambda views: max(1, samples // views))
    count, layout = (views.count, views.layout) if views else (1, "stacked")
    chosen = sampler.choose(subject.rows, samples=subject.samples, views=count, layout=layout)
    index = chosen.rows(views).numpy()
    chunk = Chunk(chosen, views, {"": _features(subject, index)})
    chunk.label, chunk.sample_id = (
        _values(subject, what, chosen, index) for what in ("labels", "ids")
    )
    event = Event(step, LOG_KEY, subject.name or name, name=name)
    _measure(event, chunk)
    return Looked(subject, event, len(index), [*_remarks(subject)])


def _features(subject: Subject, index: Index) -> Tensor:
    array, pool = subject.array, subject.asked.pool or "cls"
    size = max(1, _AT_A_TIME // (prod(array.shape[1:]) * 8)) if len(array.shape) > 2 else len(index)
    parts = []
    with reading(subject.path):
        for start in range(0, len(index), size):
            rows = array.rows(index[start : start + size])
            rows = rows if rows.is_floating_point() else rows.float()
            try:
                features = as_features(rows, "features", int(pool) if _is_int(pool) else pool)
            except FeatureError as error:
                why = str(error).partition("; ")[2]
                raise ReportError(f"{subject.path}: of {array}: {why}") from None
            parts.append(computable(features.of(features.source)))
    return torch.cat(parts)


def _is_int(text: str) -> bool:
    return text.lstrip("-").isdecimal()


def _values(subject: Subject, what: str, chosen: Selection, index: Index) -> Any:
    """Labels or ids of the rows that are looked at, or of their samples."""
    if what not in subject.marks:
        return None
    file, marks = subject.marks[what]
    of_rows = marks.shape[0] == subject.rows
    with reading(file):
        values = marks.rows(index if of_rows else chosen.sample().numpy())
    return values.flatten() if isinstance(values, Tensor) else values


def _measure(event: Event, chunk: Chunk) -> None:
    channel = Channel({"": event.feature_key}, LOG_KEY, event.name, look=Look(panels=("spectrum",)))
    due = DueStep(channel, event.step, chunks=[chunk])
    rows = assemble(due)
    assert rows is not None
    gathered = Gathered([*rows.features], {0: rows.identity}, {})
    evaluate(event, due, gathered, WarnOnce(logging.DEBUG))  # what it warns of, the event says
    if event.n:
        event.log()


def _remarks(subject: Subject) -> Iterator[str]:
    if subject.left_out:
        yield f"columns that are left out: {_few(subject.left_out)} (choose with --features)"
    if subject.array.kind == "integers":
        yield "whole numbers are taken as they are: packed bits or codes would say nothing"


def _few(names: list[str], most: int = 8) -> str:
    shown = ", ".join(name or "''" for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
