"""What is printed of some runs: blocks, or a table where there are many or no room for more."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.text import Text

from gramscope.report.show.block import block
from gramscope.report.show.overview import overview
from gramscope.report.show.thing import Thing

__all__ = ["fitted", "view"]

_BLOCKS = 6
"""Things that have a block each; more are a table."""

_SMALLER = (24, 16, 0)
"""Cells of a heatmap where there is little room."""


def view(
    console: Console, things: Sequence[Thing], remarks: Sequence[str], cells: int
) -> RenderableType:
    """All that there is to say, however long."""
    if len(things) > _BLOCKS:
        return _with(remarks, overview(console, things))
    return _with(remarks, *(block(console, thing, cells) for thing in things))


def fitted(
    console: Console, things: Sequence[Thing], remarks: Sequence[str], cells: int
) -> RenderableType:
    """As much of it as the terminal has lines for; what is left out is said."""
    for candidate in _candidates(console, things, remarks, cells):
        if _fits(console, candidate):
            return candidate
    if remarks:
        remarks = [f"{len(remarks)} remarks: see them without --watch"]
    counts = range(len(things), 0, -1)
    fits = bisect_left(
        counts, True, key=lambda n: _fits(console, _some(console, things, n, remarks))
    )
    if fits == len(counts):
        return Text("make the terminal larger", overflow="fold")
    return _some(console, things, counts[fits], remarks)


def _candidates(
    console: Console, things: Sequence[Thing], remarks: Sequence[str], cells: int
) -> Iterator[RenderableType]:
    yield view(console, things, remarks, cells)
    if len(things) <= _BLOCKS:
        for size in (cells, *(size for size in _SMALLER if size < cells)):
            yield _with(remarks, *(block(console, t, size, advice=False) for t in things))
        yield _with(remarks, overview(console, things))


def _some(
    console: Console, things: Sequence[Thing], shown: int, remarks: Sequence[str]
) -> RenderableType:
    """The first few in a table."""
    left_out = len(things) - shown
    more = [f"{left_out} more: make the terminal larger, or name fewer runs"] * bool(left_out)
    return _with([*more, *remarks], overview(console, things[:shown]))


def _with(remarks: Sequence[str], *parts: RenderableType) -> RenderableType:
    return Group(*parts, *(Text(f"remark: {remark}", overflow="fold") for remark in remarks))


def _fits(console: Console, what: RenderableType) -> bool:
    lines = console.render_lines(what, console.options.update(height=None), pad=False)
    return len(lines) < console.height
