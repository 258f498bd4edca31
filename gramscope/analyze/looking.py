"""From the features of one file to an event, as a callback would have had it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor

from gramscope.analyze.arrays import Index, reading
from gramscope.analyze.finding import Subject, few
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

__all__ = ["Looked", "look"]

_LOG_KEY = "gram_matrix"

_AT_A_TIME = 32 << 20
"""Bytes of features of more than two dimensions that are read before they are pooled."""


@dataclass
class Looked:
    """What became of a subject."""

    subject: Subject
    event: Event
    chosen: int
    """Rows that were read."""
    remarks: list[str] = field(default_factory=list)


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
    event = Event(step, _LOG_KEY, subject.name or name, name=name)
    _measure(event, chunk)
    return Looked(subject, event, len(index), [*_remarks(subject, event)])


def _features(subject: Subject, index: Index) -> Tensor:
    array, pool = subject.array, subject.asked.pool
    size = max(1, _AT_A_TIME // (prod(array.shape[1:]) * 8)) if len(array.shape) > 2 else len(index)
    parts = []
    with reading(subject.path):
        for start in range(0, len(index), size):
            rows = array.rows(index[start : start + size])
            rows = rows if rows.is_floating_point() else rows.float()
            try:
                features = as_features(rows, "features", "cls" if pool is None else pool)
            except FeatureError as error:
                why = str(error).partition("; ")[2]
                raise ReportError(f"{subject.path}: of {array}: {why}") from None
            parts.append(computable(features.of(features.source)))
    return torch.cat(parts)


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
    channel = Channel(
        {"": event.feature_key}, _LOG_KEY, event.name, look=Look(panels=("spectrum",))
    )
    due = DueStep(channel, event.step, chunks=[chunk])
    rows = assemble(due)
    assert rows is not None
    gathered = Gathered([*rows.features], {0: rows.identity}, {})
    evaluate(event, due, gathered, WarnOnce(logging.DEBUG))  # what it warns of, the event says
    if event.n:
        event.log()


def _remarks(subject: Subject, event: Event) -> Iterator[str]:
    if event.reason:
        yield event.reason if event.n else "every row that was looked at holds NaN or Inf"
    if subject.left_out:
        yield f"columns that are left out: {few(subject.left_out)} (choose with --features)"
    if subject.array.kind == "integers":
        yield "whole numbers are taken as they are: packed bits or codes would say nothing"
