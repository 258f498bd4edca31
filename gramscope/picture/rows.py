"""What stands along both axes of a heatmap: names of rows, and borders between them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import MaxNLocator

from gramscope.events.matrix import Matrix
from gramscope.picture.layout import MAP
from gramscope.picture.look import Order

__all__ = ["Rows", "Tick", "plain", "rows_of"]

_MOST_TICKS = 8
_LONGEST_NAME = 12
_GAP = 8.0  # pixels between two names
_MARGIN = 42.0  # pixels for names left of the matrix
_FONT_SIZES = (10.0, 8.0)
_PIXELS_PER_CHARACTER = 0.65 * 100 / 72  # at one point
_NARROWEST_BLOCK = 6.0  # pixels; borders between narrower ones would hide the matrix


@dataclass(frozen=True)
class Tick:
    """A named row."""

    at: float
    name: str


@dataclass(frozen=True)
class Rows:
    """The axes of an ``[N, N]`` matrix in the order in which its rows are shown."""

    count: int
    what: str
    """What the names are, as the axes' label."""
    ticks: tuple[Tick, ...]
    """Few enough that their names stand beside each other."""
    font_size: float
    upright: bool
    """Whether names are too long for the left margin unless they are turned."""
    borders: tuple[int, ...] = ()
    """Positions of the first row of each further rank or label."""
    inner: tuple[int, ...] = ()
    """The same of each further view within a rank."""


def rows_of(matrix: Matrix, order: npt.NDArray[np.intp], kind: str) -> Rows:
    """Name the rows of a matrix that is shown in an order, of a kind of `Order`."""
    n = len(order)
    if Order(kind) is Order.label and matrix.label is not None:
        label = matrix.label[order]
        borders = _changes(label)
        edges = np.array([0, *borders, n])
        middles = (edges[:-1] + edges[1:] - 1) / 2
        names = [Tick(at, plain(label[edges[i]])) for i, at in enumerate(middles)]
        return _fitted(n, "label", names, borders)
    what, name = _names(matrix)
    if Order(kind) is Order.cluster:
        named = [Tick(at, name(order[at])) for at in _spread(n, _MOST_TICKS)]
        return _fitted(n, f"{what}, clustered", named)
    named = [Tick(at, name(at)) for at in _along(n, matrix.boundaries)]
    return _fitted(n, what, named, matrix.boundaries, _views(matrix))


def plain(text: object) -> str:
    """A name of anybody's as at most 12 characters of one line, from its beginning and its end."""
    line = " ".join(str(text).split())
    shown = "".join(c for c in line if unicodedata.category(c)[0] != "C") or "?"
    if len(shown) > _LONGEST_NAME:
        shown = f"{shown[:5]}…{shown[5 - _LONGEST_NAME + 1 :]}"
    return shown


def _names(matrix: Matrix) -> tuple[str, Callable[[Any], str]]:
    """What rows are called by, and the name of the row at a position as gathered."""
    rank, index, ids = matrix.rank, matrix.index, matrix.sample_id
    if ids is not None:
        return "sample id", lambda at: plain(ids[at])
    if index is None:
        return "sample index", str
    if rank is None or (rank == rank[0]).all():
        return "sample index", lambda at: str(index[at])
    return "rank · index", lambda at: f"{rank[at]}·{index[at]}"


def _along(n: int, boundaries: Sequence[int]) -> list[int]:
    """Rows to name: the first of each rank, or of every so many, then others between them."""
    edges = [0, *boundaries, n]
    starts = edges[:-1]
    every = -(-len(starts) // _MOST_TICKS)
    within = [
        start + at
        for start, end in zip(edges, edges[1:], strict=False)
        for at in _spread(end - start, _MOST_TICKS // len(starts))[1:]
    ]
    return starts[::every] + within


def _spread(n: int, most: int) -> list[int]:
    """About so many round positions within 0…N-1, the first one among them."""
    if most < 2:
        return [0]
    ticks = MaxNLocator(nbins=most, integer=True).tick_values(-0.5, n - 0.5)
    return [int(at) for at in ticks if 0 <= at < n and at == int(at)]


def _changes(values: npt.NDArray[Any]) -> tuple[int, ...]:
    return tuple(int(i) + 1 for i in np.flatnonzero(values[1:] != values[:-1]))


def _views(matrix: Matrix) -> tuple[int, ...]:
    """Borders between stacked views; interleaved ones change with every row and have none."""
    if matrix.view is None:
        return ()
    borders = set(_changes(matrix.view)) - set(matrix.boundaries)
    runs = len(borders) + len(matrix.boundaries) + 1
    return tuple(sorted(borders)) if 2 * runs <= len(matrix.view) else ()


def _fitted(
    n: int,
    what: str,
    ticks: Sequence[Tick],
    borders: tuple[int, ...] = (),
    inner: tuple[int, ...] = (),
) -> Rows:
    """Leave out the names, the later ones first, and borders that there is no room for."""
    longest = max(len(tick.name) for tick in ticks)
    font_size = next((s for s in _FONT_SIZES if _width(longest, s) <= _MARGIN), _FONT_SIZES[-1])
    room = min(MAP) / n
    kept: list[Tick] = []
    for tick in ticks:
        if all(_are_apart(tick, other, room, font_size) for other in kept):
            kept.append(tick)
    return Rows(
        count=n,
        what=what,
        ticks=tuple(kept),
        font_size=font_size,
        upright=_width(longest, font_size) > _MARGIN,
        borders=_where_wide(n, borders),
        inner=_where_wide(n, inner, beside=borders),
    )


def _are_apart(one: Tick, other: Tick, room: float, font_size: float) -> bool:
    widths = _width(len(one.name), font_size) + _width(len(other.name), font_size)
    return room * abs(one.at - other.at) >= widths / 2 + _GAP


def _width(characters: int, font_size: float) -> float:
    return characters * font_size * _PIXELS_PER_CHARACTER


def _where_wide(n: int, borders: tuple[int, ...], beside: Iterable[int] = ()) -> tuple[int, ...]:
    blocks = len(borders) + len(tuple(beside)) + 1
    return borders if min(MAP) / blocks >= _NARROWEST_BLOCK else ()
