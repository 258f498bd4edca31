"""The table in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from gramscope.diagnosis import format_number, number_of, with_ceiling
from gramscope.report.columns import layout
from gramscope.report.summary import bad_ends
from gramscope.report.sweep.rows import Row, Sweep
from gramscope.report.terminal import terminal
from gramscope.sweep.overrides import short_value

__all__ = ["print_table"]

_NOTHING = "—"

_Texts = Sequence[str]


def print_table(sweep: Sweep) -> None:
    """Print one line for each row of the sweep, and what is the same in all of them.

    Where the terminal is too narrow for a table, each row is a paragraph; nothing is cut off.
    """
    headings, columns = zip(*_columns(sweep), strict=True)
    with terminal() as console:
        console.print(layout(console, headings, columns))
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


def _below(sweep: Sweep) -> Sequence[str]:
    lines = [""]
    if sweep.shared:
        same = " ".join(f"{key}={value}" for key, value in sweep.shared.items())
        lines.append(f"same in all jobs  {same}" if len(sweep.jobs) > 1 else f"settings  {same}")
    return [*lines, *sweep.optimum, *sweep.notes]
