"""What stands along both axes of a heatmap: rows as pixels, and their names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import MaxNLocator

from gramscope.events.matrix import Matrix
from gramscope.picture.cells import Cells, cells_of
from gramscope.picture.look import Order
from gramscope.picture.names import plain, told_apart

__all__ = ["Rows", "Tick", "rows_of"]

_MOST_TICKS = 8
_GAP = 8.0  # pixels between two names


@dataclass(frozen=True)
class Tick:
    """A named row."""

    at: float
    name: str


@dataclass(frozen=True)
class Rows:
    """The axes of an ``[N, N]`` matrix in the order in which its rows are shown."""

    cells: Cells
    what: str
    """What the names are, as the axes' label."""
    ticks: tuple[Tick, ...]
    """Few enough that their names stand beside each other."""
    font_size: float
    upright: bool
    """Whether names are too long for the left margin unless they are turned."""


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
    n, roles = len(order), 1 + len(matrix.others)
    if Order(kind) is Order.label and matrix.label is not None:
        label = matrix.label[order]
        borders = _changes(label)
        edges = np.array([0, *borders, n])
        names = [plain(label[start]) for start in edges[:-1]]
        middles = (edges[:-1] + edges[1:] - 1) / 2
        ticks = [Tick(float(at), name) for at, name in zip(middles, names, strict=True)]
        return _rows(cells_of(n, borders, (), roles), "label", names, ticks)
    what, names = _names(matrix)
    if Order(kind) is Order.cluster:
        cells = cells_of(n, (), (), roles)
        ticks = [Tick(at, names[order[at]]) for at in _spread(n, _most(cells, names))]
        return _rows(cells, f"{what}, clustered", names, ticks)
    cells = cells_of(n, matrix.boundaries, _views(matrix), roles)
    ticks = [Tick(at, names[at]) for at in _along(n, matrix.boundaries, _most(cells, names))]
    return _rows(cells, what, names, ticks)


def _names(matrix: Matrix) -> tuple[str, list[str]]:
    """What rows are called by, and their names as gathered."""
    rank, index = matrix.rank, matrix.index
    if matrix.sample_id is not None:
        return "sample id", told_apart([str(name) for name in matrix.sample_id])
    if index is None:
        return "row", [str(at) for at in range(len(matrix.gram))]
    if matrix.patches is not None:
        return _places(index, matrix.patches.grid)
    if rank is None or (rank == rank[0]).all():
        return "index in the batch", [str(at) for at in index]
    return "rank · index in the batch", [f"{r}·{at}" for r, at in zip(rank, index, strict=True)]


def _places(index: npt.NDArray[np.int32], grid: Sequence[int]) -> tuple[str, list[str]]:
    """Of patches: where in the image they are."""
    along = np.unravel_index(index % math.prod(grid), grid)
    names = ["·".join(map(str, place)) for place in zip(*along, strict=True)]
    return f"patch, by axes {'·'.join(map(str, range(len(grid))))}", names


def _rows(cells: Cells, what: str, names: Sequence[str], ticks: Sequence[Tick]) -> Rows:
    """Leave out the ticks, the later ones first, that there is no room for."""
    lettering = _lettering(names)
    room = cells.extent.side / cells.rows
    kept: list[Tick] = []
    for tick in ticks:
        if all(_are_apart(tick, other, room, lettering) for other in kept):
            kept.append(tick)
    return Rows(cells, what, tuple(kept), lettering.font_size, not lettering.fits(names))


def _lettering(names: Sequence[str]) -> _Lettering:
    return next((x for x in _LETTERINGS if x.fits(names)), _LETTERINGS[-1])


def _most(cells: Cells, names: Sequence[str]) -> int:
    """Names that have room beside each other."""
    widest = max(map(_lettering(names).width, names))
    return max(1, min(_MOST_TICKS, int(cells.extent.side / (widest + _GAP))))


def _are_apart(one: Tick, other: Tick, room: float, lettering: _Lettering) -> bool:
    widths = lettering.width(one.name) + lettering.width(other.name)
    return room * abs(one.at - other.at) >= widths / 2 + _GAP


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
