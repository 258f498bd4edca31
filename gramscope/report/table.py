"""The table in the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gramscope.diagnosis import format_number, number_of, with_ceiling
from gramscope.report.summary import bad_ends
from gramscope.report.sweep import Row, Sweep
from gramscope.report.terminal import NOT_A_TERMINAL, terminal
from gramscope.sweep.overrides import short_value

__all__ = ["print_table"]

_FOLDED = 8  # columns: what a text keeps where room is scarce

_GAP = 2  # columns between two of the table's

_NOTHING = "—"

_Texts = Sequence[str]


def print_table(sweep: Sweep) -> None:
    """Print one line for each row of the sweep, and what is the same in all of them.

    Where the terminal is too narrow for a table, each row is a paragraph; nothing is cut off.
    """
    headings, columns = zip(*_columns(sweep), strict=True)
    with terminal() as console:
        console.print(_layout(console, headings, columns))
        for line in _below(sweep):
            console.print(Text(line, overflow="fold"))


def _columns(sweep: Sweep) -> Iterator[tuple[str, _Texts]]:
    """Heading of each column, and its value for each row."""
    rows = sweep.rows
    yield "job", [f"{row.job.name} ({row.mark})" if row.mark else row.job.name for row in rows]
    for key, heading in sweep.swept.items():
        yield heading, [short_value(row.job.overrides.get(key, _NOTHING)) for row in rows]
    if sweep.shows_feature:
        yield "feature", [row.feature or _NOTHING for row in rows]
    for metric in sweep.headlines:
        yield from _number_columns(metric, rows)
    histories = [row.history for row in rows]
    yield "logged", [str(len(h.logged)) if h else _NOTHING for h in histories]
    yield "skipped", [row.skipped if row.history else _NOTHING for row in rows]
    yield "last step", [str(h.last_step) if h else _NOTHING for h in histories]
    if any(row.remarks for row in rows):
        yield "remarks", ["; ".join(row.remarks) for row in rows]


def _number_columns(metric: str, rows: Sequence[Row]) -> Iterator[tuple[str, _Texts]]:
    number, ends = number_of(metric), bad_ends(metric)
    worst = [_worst(metric, row, [*ends.values()]) for row in rows]
    if number is not None and number.sound is not None:
        yield metric, worst
        return
    finals = [row.final for row in rows]
    yield metric, [with_ceiling(metric, f) if metric in f else _NOTHING for f in finals]
    if ends:
        yield "..".join(ends), worst


def _worst(metric: str, row: Row, ends: _Texts) -> str:
    summary = row.summary.get(metric)
    if summary is None:
        return _NOTHING
    return "..".join(format_number(metric, getattr(summary, end)[1]) for end in ends)


def _layout(console: Console, headings: _Texts, columns: Sequence[_Texts]) -> RenderableType:
    table = _table(headings, columns)
    unbounded = console.options.update(width=NOT_A_TERMINAL)
    if Measurement.get(console, unbounded, table).maximum <= console.width:
        return table
    # Two numbers below each other, and headings that break, leave texts more room.
    broken = [[_broken(value) for value in column] for column in columns]
    table = _table([h.replace("_", "_\n").replace(" ", "\n") for h in headings], broken)
    if sum((column.min_width or 0) + _GAP for column in table.columns) - _GAP <= console.width:
        return table
    return _paragraphs(headings, columns)


def _broken(value: str) -> str:
    value = re.sub(r"(?<=\d)\.\.(?=[-\d])", "..\n", value)
    return re.sub(r"(?<=\d) (?=of \d)", "\n", value)


def _table(headings: _Texts, columns: Sequence[_Texts]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for heading, column in zip(headings, columns, strict=True):
        numbers = all(re.fullmatch(r"[-.\d\n]+([ \n]of \d+)?|—", value) for value in column)
        lines = [line for text in (heading, *column) for line in text.splitlines()]
        table.add_column(
            Text(heading),
            overflow="fold",
            justify="right" if numbers else "left",
            min_width=max(cell_len(line) for line in lines)
            if numbers
            else max(min(cell_len(line), _FOLDED) for line in lines),
        )
    for values in zip(*columns, strict=True):
        table.add_row(*(Text(value) for value in values))
    return table


def _paragraphs(headings: _Texts, columns: Sequence[_Texts]) -> RenderableType:
    lines: list[RenderableType] = []
    for values in zip(*columns, strict=True):
        pairs = [f"{h} {v}" for h, v in zip(headings, values, strict=True) if v]
        lines.append(Text(pairs[0], style="bold", overflow="fold"))
        lines.append(Padding(Text("  ".join(pairs[1:]), overflow="fold"), (0, 0, 1, 2)))
    return Group(*lines)


def _below(sweep: Sweep) -> Sequence[str]:
    lines = [""]
    if sweep.shared:
        same = " ".join(f"{key}={value}" for key, value in sweep.shared.items())
        lines.append(f"same in all jobs  {same}" if len(sweep.jobs) > 1 else f"settings  {same}")
    return [*lines, *sweep.optimum, *sweep.notes]
