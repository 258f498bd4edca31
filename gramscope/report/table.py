"""The table in the terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gramscope.report.summary import MetricSummary, format_value
from gramscope.report.sweep import Row, Sweep
from gramscope.sweep.overrides import short_value

__all__ = ["print_table"]

_NOT_A_TERMINAL = 10_000  # columns: a line that wraps is lost on grep

_FOLDED = 8  # columns: what a text keeps where room is scarce

_GAP = 2  # columns between two of the table's

_NOTHING = "—"


def print_table(sweep: Sweep) -> None:
    """Print one line for each row of the sweep, and what is the same in all of them.

    Where the terminal is too narrow for a table, each row is a paragraph; nothing is cut off.

    Args:
        sweep: The sweep.
    """
    console = Console(width=None if sys.stdout.isatty() else _NOT_A_TERMINAL)
    headings = _headings(sweep)
    rows = [_values(sweep, row) for row in sweep.rows]
    with console.capture() as captured:
        console.print(_layout(console, headings, rows))
        for line in _below(sweep):
            console.print(Text(line, overflow="fold"))
    # A terminal that knows only ASCII gets question marks rather than an error.
    encoding = sys.stdout.encoding or "utf-8"
    text = "\n".join(line.rstrip() for line in captured.get().splitlines())
    sys.stdout.write(f"{text}\n".encode(encoding, "replace").decode(encoding))


def _headings(sweep: Sweep) -> list[str]:
    headings = ["job", *sweep.swept.values()]
    if sweep.shows_feature:
        headings.append("feature")
    headings += ["offdiag_mean", "worst", "offdiag_std", "min..max"]
    if _has_nonfinite(sweep):
        headings.append("nonfinite_rows")
    headings += ["logged", "skipped", "last step"]
    if any(row.remarks for row in sweep.rows):
        headings.append("remarks")
    return headings


def _values(sweep: Sweep, row: Row) -> list[str]:
    history, summary = row.history, row.summary
    values = [f"{row.job.name} ({row.mark})" if row.mark else row.job.name]
    values += [short_value(row.job.overrides.get(key, _NOTHING)) for key in sweep.swept]
    if sweep.shows_feature:
        values.append(row.feature or _NOTHING)
    mean, std = summary.get("offdiag_mean"), summary.get("offdiag_std")
    values += [_final("offdiag_mean", mean), _largest("offdiag_mean", mean)]
    values += [_final("offdiag_std", std), _range("offdiag_std", std)]
    if _has_nonfinite(sweep):
        values.append(_largest("nonfinite_rows", summary.get("nonfinite_rows")))
    values += [str(len(history.logged)), row.skipped] if history else [_NOTHING] * 2
    values.append(str(history.last_step) if history else _NOTHING)
    if any(other.remarks for other in sweep.rows):
        values.append("; ".join(row.remarks))
    return values


def _layout(console: Console, headings: list[str], rows: list[list[str]]) -> RenderableType:
    table = _table(headings, rows)
    unbounded = console.options.update(width=_NOT_A_TERMINAL)
    if Measurement.get(console, unbounded, table).maximum <= console.width:
        return table
    # Two numbers below each other, and headings that break, leave texts more room.
    ranges = [
        [re.sub(r"(?<=\d)\.\.(?=[-\d])", "..\n", value) for value in values] for values in rows
    ]
    table = _table([h.replace("_", "_\n").replace(" ", "\n") for h in headings], ranges)
    if sum((column.min_width or 0) + _GAP for column in table.columns) - _GAP <= console.width:
        return table
    return _paragraphs(headings, rows)


def _table(headings: list[str], rows: list[list[str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for heading, column in zip(headings, zip(*rows, strict=True), strict=True):
        numbers = all(re.fullmatch(r"[-.\d\n]+|—", value) for value in column)
        lines = [line for text in (heading, *column) for line in text.splitlines()]
        table.add_column(
            Text(heading),
            overflow="fold",
            justify="right" if numbers else "left",
            min_width=max(cell_len(line) for line in lines)
            if numbers
            else max(min(cell_len(line), _FOLDED) for line in lines),
        )
    for values in rows:
        table.add_row(*(Text(value) for value in values))
    return table


def _paragraphs(headings: list[str], rows: list[list[str]]) -> RenderableType:
    lines: list[RenderableType] = []
    for values in rows:
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


def _has_nonfinite(sweep: Sweep) -> bool:
    summaries = [row.summary.get("nonfinite_rows") for row in sweep.rows]
    return any(summary.largest[1] > 0 for summary in summaries if summary)


def _final(metric: str, summary: MetricSummary | None) -> str:
    return format_value(metric, summary.final[1]) if summary and summary.final else _NOTHING


def _largest(metric: str, summary: MetricSummary | None) -> str:
    return format_value(metric, summary.largest[1]) if summary else _NOTHING


def _range(metric: str, summary: MetricSummary | None) -> str:
    if summary is None:
        return _NOTHING
    low, high = summary.smallest[1], summary.largest[1]
    return f"{format_value(metric, low)}..{format_value(metric, high)}"
