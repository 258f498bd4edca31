"""The pictures of all rows at equal steps."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from gramscope.report.heatmap import Gram, PictureError, data_uri, read_gram
from gramscope.report.history import History, Record
from gramscope.report.steps import Choice, choose_steps
from gramscope.report.summary import format_value
from gramscope.report.sweep import Row, Sweep

__all__ = ["Cell", "Grid", "draw_grid"]

_MOST_LINES = 32  # with more, the lines hide the picture


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
    caption: str = ""
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
    """Draw the pictures; one that cannot be read is remarked upon in its row.

    Args:
        sweep: The sweep, whose rows may get remarks.
        columns: How many steps to show at most.
    """
    choice = choose_steps([row.history.logged for row in sweep.rows if row.history], columns)
    return Grid(choice, [_cells(row, choice) for row in sweep.rows])


def _cells(row: Row, choice: Choice) -> list[Cell]:
    history = row.history
    if history is None:
        return []
    steps = choice.steps or ((history.logged or [history.last_step])[-1],)
    return [_cell(row, history, step) for step in steps]


def _cell(row: Row, history: History, step: int) -> Cell:
    record = history.records.get(step)
    if record is None:
        return Cell(step, why=_why_nothing(list(history.records), step))
    if not record.logged:
        return Cell(step, why=f"skipped: {record.reason or 'no reason given'}")
    try:
        picture = read_gram(record.picture)
    except PictureError as error:
        row.remarks.append(f"step {step}: {error}")
        return Cell(step, why=str(error), remark=record.reason)
    return _picture(row, record, picture)


def _picture(row: Row, record: Record, picture: Gram) -> Cell:
    size = len(picture.gram)
    shown = [
        f"{name.removeprefix('offdiag_')} {format_value(name, record.metrics[name])}"
        for name in ("offdiag_mean", "offdiag_std")
        if name in record.metrics
    ]
    details = [
        f"Gram matrix of {row.feature}",
        f"job {row.job.name}",
        f"step {record.step}",
        f"N = {size}",
        f"world size {record.world_size}",
        *(f"offdiag_{text}" for text in shown),
    ]
    if len(picture.boundaries) > _MOST_LINES:
        details.append("lines between ranks left out")
    return Cell(
        record.step,
        uri=data_uri(picture.gram),
        size=size,
        lines=_lines(picture, size),
        caption=shown[0] if shown else "",
        text=", ".join(details),
        remark=record.reason,
    )


def _lines(picture: Gram, size: int) -> str:
    if len(picture.boundaries) > _MOST_LINES:
        return ""
    return "".join(f"M{at} 0V{size}M0 {at}H{size}" for at in picture.boundaries)


def _why_nothing(steps: list[int], step: int) -> str:
    if step > steps[-1]:
        return f"run ended at step {steps[-1]}"
    if step % gcd(*steps):  # what is common to all steps on record is how often it was due
        return "not due"
    return f"begins at step {steps[0]}" if step < steps[0] else "no event"
