"""Many things watched, one line each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, Group, RenderableType

from gramscope.diagnosis import NUMBERS
from gramscope.report.columns import layout
from gramscope.report.show.block import style_of
from gramscope.report.show.sparkline import sparkline
from gramscope.report.show.thing import Line, Thing

__all__ = ["overview", "rows"]

_COURSE = "effective_rank"
"""The number whose course there is room for."""

_WIDTH = 8


def overview(console: Console, things: Sequence[Thing]) -> RenderableType:
    """A table with a row for each feature of each thing."""
    found = [*rows(things)]
    headings = dict.fromkeys(heading for row in found for heading in row)
    columns = {h: [row.get(h, "—") for row in found] for h in _ordered(headings)}
    if len({*columns["feature"]}) == 1:
        del columns["feature"]
    if courses := [*_courses(console, things)]:
        columns[_COURSE.replace("_", " ") + " over time"] = courses
    styles = [style_of(thing) for thing in things for _ in thing.roles]
    return Group(layout(console, [*columns], [*columns.values()], styles), "")


def rows(things: Sequence[Thing]) -> Iterator[dict[str, str]]:
    """For each feature of each thing what is known of it, by heading."""
    for thing in things:
        for role in thing.roles:
            headlines = [line for line in thing.lines.get(role, []) if _is_headline(line)]
            yield {
                "run": thing.run,
                "feature": role or thing.feature,
                "state": thing.spell.title if thing.spell else "no numbers yet",
                "last step": str(thing.history.last_step),
                **{line.name: line.last for line in headlines},
            }


def _is_headline(line: Line) -> bool:
    return NUMBERS[line.name].headline


def _ordered(headings: dict[str, None]) -> list[str]:
    first = [heading for heading in headings if heading not in NUMBERS]
    return [*first, *(name for name in NUMBERS if name in headings)]


def _courses(console: Console, things: Sequence[Thing]) -> Iterator[str]:
    """The course of one number in each row, on one scale."""
    series = [
        next((line.series for line in thing.lines.get(role, []) if line.name == _COURSE), [])
        for thing in things
        for role in thing.roles
    ]
    values = [value for one in series for _, value in one]
    if not values:
        return
    ends = min(values), max(values)
    for one in series:
        yield sparkline(_COURSE, one, _WIDTH, ends, console.options.ascii_only) or "—"
