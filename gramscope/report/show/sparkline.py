"""A number over a run as one line of characters."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from gramscope.diagnosis import number_of

__all__ = ["sparkline"]

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = "_.-~=+*#"


def sparkline(
    name: str,
    series: Sequence[tuple[int, float]],
    width: int,
    ends: tuple[float, float] | None = None,
    ascii_only: bool = False,
) -> str:
    """The values of a number from left to right, the lowest and the highest as given.

    Where there are more values than characters, each stands for a stretch of events and shows its
    worst value by the table of numbers: the bad end, or of both what is furthest from the median.

    Args:
        name: Of the number.
        series: Steps and values.
        width: Characters, at most.
        ends: The lowest and the highest value that there is room for; ``None``: the series' own.
        ascii_only: Whether the terminal knows no block characters.
    """
    values = [value for _, value in series]
    if not values:
        return ""
    low, high = ends or (min(values), max(values))
    levels = _ASCII if ascii_only else _BLOCKS
    scale = (len(levels) - 1) / (high - low) if high > low else 0.0
    shown = _thinned(name, values, width)
    return "".join(levels[min(max(round((v - low) * scale), 0), len(levels) - 1)] for v in shown)


def _thinned(name: str, values: Sequence[float], width: int) -> Iterator[float]:
    if len(values) <= width:
        yield from values
        return
    number, median = number_of(name), statistics.median(values)
    worst = {"low": min, "high": max}.get(number.bad or "" if number else "")
    for i in range(width):
        part = values[i * len(values) // width : (i + 1) * len(values) // width]
        yield worst(part) if worst else max(part, key=lambda value: abs(value - median))
