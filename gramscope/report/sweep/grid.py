"""The pictures of all rows at equal steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np
import numpy.typing as npt

from gramscope.diagnosis import NUMBERS, with_ceiling
from gramscope.events import Event
from gramscope.events.matrix import MatrixError, read_matrix
from gramscope.report.heatmap import data_uri
from gramscope.report.history import History, gram_of
from gramscope.report.sweep.rows import Row, Sweep
from gramscope.report.sweep.steps import Choice, choose_steps

__all__ = ["Cell", "Grid", "draw_grid"]

_MOST_LINES = 32  # with more, the lines hide the picture
_MOST_ROWS_WITH_LINES = 256  # of more, a line hides the row beside it
_MOST_MARKS = 128


@dataclass(frozen=True)
class Cell:
    """One feature of one job at one step: a picture, or why there is none."""

    step: int
    why: str = ""
    """Why there is no picture; empty if there is one."""
    uri: str = ""
    size: int = 0
    """N, the rows of the matrix."""
    lines: str = ""
    """SVG path between ranks, in units of matrix rows."""
    marks: str = ""
    """One along the edges, where lines would hide the picture."""
    captions: Sequence[str] = ()
    """The numbers that tell most."""
    text: str = ""
    """What the picture is of."""
    remark: str = ""
    """What the event lacks."""


@dataclass(frozen=True)
class Grid:
    """Rows of cells; all rows have the same steps unless none is shared."""

    choice: Choice
    cells: list[list[Cell]]


def draw_grid(sweep: Sweep, columns: int) -> Grid:
    """Draw the pictures; one that cannot be read is remarked upon in its row."""
    choice = choose_steps([row.history.pictured for row in sweep.rows if row.history], columns)
    return Grid(choice, [_cells(row, choice) for row in sweep.rows])


def _cells(row: Row, choice: Choice) -> list[Cell]:
    history = row.history
    if history is None:
        return []
    steps = choice.steps or ((history.pictured or [history.last_step])[-1],)
    return [_cell(row, history, step) for step in steps]


def _cell(row: Row, history: History, step: int) -> Cell:
    event = history.events.get(step)
    if event is None:
        return Cell(step, why=_why_nothing(history, step))
    reason = event.reason or ""
    if not event.drawn:
        return Cell(step, why="numbers without a picture", remark=reason)
    if not event.logged:
        return Cell(step, why=f"skipped: {reason or 'no reason given'}")
    if history.thinned and step not in history.on_disk:
        return Cell(step, why="no matrix on disk", remark=reason)
    try:
        matrix = read_matrix(history.matrix_file(step))
        gram, _ = gram_of(matrix, history.role)
    except MatrixError as error:
        row.remarks.append(f"step {step}: {error}")
        return Cell(step, why=str(error), remark=reason)
    return _picture(row, event, gram, matrix.boundaries)


def _picture(row: Row, event: Event, gram: npt.NDArray[np.float32], lines: Sequence[int]) -> Cell:
    size = len(gram)
    headlines = [n for n in NUMBERS.values() if n.headline and n.name in event.metrics]
    shown = [(number, with_ceiling(number.name, event.metrics)) for number in headlines]
    details = [
        f"Gram matrix of {row.feature}",
        f"job {row.job.name}",
        f"step {event.step}",
        f"N = {size}",
        f"world size {event.world_size}",
        *(f"{number.name} {text}" for number, text in shown),
    ]
    across, marks, remark = _between_ranks(lines, size)
    return Cell(
        event.step,
        uri=data_uri(gram),
        size=size,
        lines=across,
        marks=marks,
        captions=[f"{number.short} {text}" for number, text in shown if number.short],
        text=", ".join(filter(None, (*details, remark))),
        remark=event.reason or "",
    )


def _between_ranks(borders: Sequence[int], size: int) -> tuple[str, str, str]:
    """Lines or marks, and what is to be said of marks."""
    if not borders or (len(borders) <= _MOST_LINES and size <= _MOST_ROWS_WITH_LINES):
        return "".join(f"M{at} 0V{size}M0 {at}H{size}" for at in borders), "", ""
    every = -(-len(borders) // _MOST_MARKS)
    marks = "".join(f"M{at} 0v-{size / 32:g}M0 {at}h-{size / 32:g}" for at in borders[::every])
    return "", marks, f"a mark at the edges for each {f'{every} ranks' if every > 1 else 'rank'}"


def _why_nothing(history: History, step: int) -> str:
    if step > history.last_step:
        return f"run ended at step {history.last_step}"
    due = [at for at, event in history.events.items() if event.drawn]
    # What is common to all steps on record is how often a picture was due.
    if not due or step % gcd(*due):
        return "not due"
    return f"begins at step {due[0]}" if step < due[0] else "no event"
