"""What stands along both axes of a heatmap: names of rows, and borders between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import MaxNLocator

from gramscope.events.matrix import Matrix
from gramscope.picture.layout import MAP
from gramscope.picture.look import Order
from gramscope.picture.names import plain, told_apart

__all__ = ["Rows", "Tick", "rows_of"]

_SIDE = min(MAP)
_MOST_TICKS = 8
_GAP = 8.0  # pixels between two names
_NARROWEST_BLOCK = 12.0  # pixels; borders between narrower ones would hide the matrix


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


@dataclass(frozen=True)
class _Lettering:
    """How names are written, the longest of them decides."""

    font_size: float
    margin: float
    """Pixels for names at the left."""

    def width(self, name: str) -> float:
        """About so many pixels: those of digits, in the font that matplotlib has."""
        return (len(name) - 0.5 * name.count("·")) * self.font_size * 0.64 * 100 / 72

    def fits(self, names: Sequence[str]) -> bool:
        return max(map(self.width, names)) <= self.margin


_LETTERINGS = (_Lettering(10.0, 38.0), _Lettering(8.0, 43.0))


def rows_of(matrix: Matrix, order: npt.NDArray[np.intp], kind: str) -> Rows:
    """Name the rows of a matrix that is shown in an order, of a kind of `Order`."""
    n = len(order)
    if Order(kind) is Order.label and matrix.label is not None:
        label = matrix.label[order]
        borders = _changes(label)
        edges = np.array([0, *borders, n])
        names = [plain(label[start]) for start in edges[:-1]]
        middles = (edges[:-1] + edges[1:] - 1) / 2
        ticks = [Tick(float(at), name) for at, name in zip(middles, names, strict=True)]
        return _rows(n, "label", names, ticks, borders)
    what, names = _names(matrix)
    most = _most(names)
    if Order(kind) is Order.cluster:
        ticks = [Tick(at, names[order[at]]) for at in _spread(n, most)]
        return _rows(n, f"{what}, clustered", names, ticks)
    ticks = [Tick(at, names[at]) for at in _along(n, matrix.boundaries, most)]
    return _rows(n, what, names, ticks, matrix.boundaries, _views(matrix))


def _names(matrix: Matrix) -> tuple[str, list[str]]:
    """What rows are called by, and their names as gathered."""
    rank, index = matrix.rank, matrix.index
    if matrix.sample_id is not None:
        return "sample id", told_apart([str(name) for name in matrix.sample_id])
    if index is None:
        return "sample index", [str(at) for at in range(len(matrix.gram))]
    if rank is None or (rank == rank[0]).all():
        return "sample index", [str(at) for at in index]
    return "rank · index", [f"{r}·{at}" for r, at in zip(rank, index, strict=True)]


def _rows(
    n: int,
    what: str,
    names: Sequence[str],
    ticks: Sequence[Tick],
    borders: tuple[int, ...] = (),
    inner: tuple[int, ...] = (),
) -> Rows:
    """Leave out the ticks, the later ones first, and the borders that there is no room for."""
    lettering = _lettering(names)
    kept: list[Tick] = []
    for tick in ticks:
        if all(_are_apart(tick, other, _SIDE / n, lettering) for other in kept):
            kept.append(tick)
    return Rows(
        count=n,
        what=what,
        ticks=tuple(kept),
        font_size=lettering.font_size,
        upright=not lettering.fits(names),
        borders=borders if _have_room(len(borders)) else (),
        inner=inner if _have_room(len(borders) + len(inner)) else (),
    )


def _lettering(names: Sequence[str]) -> _Lettering:
    return next((x for x in _LETTERINGS if x.fits(names)), _LETTERINGS[-1])


def _most(names: Sequence[str]) -> int:
    """Names that have room beside each other."""
    widest = max(map(_lettering(names).width, names))
    return max(1, min(_MOST_TICKS, int(_SIDE / (widest + _GAP))))


def _are_apart(one: Tick, other: Tick, room: float, lettering: _Lettering) -> bool:
    widths = lettering.width(one.name) + lettering.width(other.name)
    return room * abs(one.at - other.at) >= widths / 2 + _GAP


def _have_room(borders: int) -> bool:
    return _SIDE / (borders + 1) >= _NARROWEST_BLOCK


def _along(n: int, boundaries: Sequence[int], most: int) -> list[int]:
    """Rows to name: the first of each rank, or of every so many, then others between them."""
    edges = [0, *boundaries, n]
    starts = edges[:-1]
    within = [
        start + at
        for start, end in zip(starts, edges[1:], strict=True)
        for at in _spread(end - start, most // len(starts))[1:]
    ]
    return starts[:: -(-len(starts) // most)] + within


def _spread(n: int, most: int) -> list[int]:
    """About so many round positions within 0…N-1, the first one among them."""
    if most < 2:
        return [0]
    ticks = MaxNLocator(nbins=most, integer=True).tick_values(-0.5, n - 0.5)
    return [int(at) for at in ticks if 0 <= at < n and at == int(at)]


def _views(matrix: Matrix) -> tuple[int, ...]:
    """Borders between stacked views; interleaved ones change with every row and have none."""
    if matrix.view is None:
        return ()
    borders = set(_changes(matrix.view)) - set(matrix.boundaries)
    runs = len(borders) + len(matrix.boundaries) + 1
    return tuple(sorted(borders)) if 2 * runs <= len(matrix.view) else ()


def _changes(values: npt.NDArray[Any]) -> tuple[int, ...]:
    return tuple(int(i) + 1 for i in np.flatnonzero(values[1:] != values[:-1]))
