"""Columns of text in the terminal, whatever its width."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gramscope.report.terminal import NOT_A_TERMINAL

__all__ = ["layout"]

_FOLDED = 8  # columns: what a text keeps where room is scarce

_GAP = 2  # columns between two of the table's

Texts = Sequence[str]


def layout(
    console: Console, headings: Texts, columns: Sequence[Texts], styles: Texts = ()
) -> RenderableType:
    """A line for each row, or where the terminal is too narrow a paragraph; nothing is cut off.

    Args:
        console: Where it is to be printed.
        headings: One for each column; none for a column that says what it is itself.
        columns: Its values, one for each row.
        styles: One for each row, unless rows are plain.
    """
    styles = styles or [""] * len(columns[0])
    table = _table(headings, columns, styles)
    unbounded = console.options.update(width=NOT_A_TERMINAL)
    if Measurement.get(console, unbounded, table).maximum <= console.width:
        return table
    # Two numbers below each other, and headings that break, leave texts more room.
    broken = [[_broken(value) for value in column] for column in columns]
    headings_broken = [h.replace("_", "_\n").replace(" ", "\n") for h in headings]
    table = _table(headings_broken, broken, styles)
    if sum((column.min_width or 0) + _GAP for column in table.columns) - _GAP <= console.width:
        return table
    return _paragraphs(headings, columns, styles)


def _broken(value: str) -> str:
    value = re.sub(r"(?<=\d)\.\.(?=[-\d])", "..\n", value)
    return re.sub(r"(?<=\d) (?=of \d)", "\n", value)


def _table(headings: Texts, columns: Sequence[Texts], styles: Texts) -> Table:
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
    for style, values in zip(styles, zip(*columns, strict=True), strict=True):
        table.add_row(*(Text(value) for value in values), style=style)
    return table


def _paragraphs(headings: Texts, columns: Sequence[Texts], styles: Texts) -> RenderableType:
    lines: list[RenderableType] = []
    for style, values in zip(styles, zip(*columns, strict=True), strict=True):
        pairs = [f"{h} {v}".lstrip() for h, v in zip(headings, values, strict=True) if v]
        lines.append(Text(pairs[0], style=f"bold {style}", overflow="fold"))
        lines.append(Padding(Text("  ".join(pairs[1:]), overflow="fold"), (0, 0, 1, 2)))
    return Group(*lines)
