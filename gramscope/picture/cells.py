"""How many pixels each row of a heatmap has, and where lines between its rows stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from gramscope.picture.layout import STRIP, Extent

__all__ = ["Cells", "cells_of"]

Ints = npt.NDArray[np.intp]

_USUAL_ROOM, _SMALLEST, _LARGEST = 456, 304, 1024
_FOR_LINES = 16  # a picture that grows has one pixel of room in so many for lines
_NARROWEST_BLOCK = 20  # pixels; lines between narrower ones would be most of what is seen
_WIDTHS = (2, 1)
"""Pixels of lines between ranks or labels, and of those between views."""


@dataclass(frozen=True)
class Cells:
    """Rows as pixels along an edge of a heatmap.

    Each row has the same whole number of pixels; of more than fit, so many share one. Lines have
    pixels of their own, so that none of them hides a row.
    """

    rows: int
    room: int
    """Pixels that there are."""
    borders: tuple[int, ...]
    """Positions of the first row of each further rank or label."""
    inner: tuple[int, ...]
    """The same of each further view within a rank."""
    kinds: int
    """How many of these two kinds have lines."""
    together: int
    """Rows that share a cell; fewer where a line ends it."""

    @property
    def lines(self) -> list[tuple[Ints, int]]:
        """By kind: the pixels behind its lines, and how wide they are."""
        return [(self.ends[cells], width) for cells, width in self._lines_after]

    @property
    def has_strip(self) -> bool:
        """Whether strips beside the matrix say what lines do not."""
        return any((self.borders, self.inner)[self.kinds :])

    @cached_property
    def pixels(self) -> int:
        """Of one cell."""
        strip = STRIP if self.has_strip else 0
        return (self.room - strip - int(self._after.sum())) // len(self.starts)

    @property
    def fit(self) -> bool:
        """Whether there is room for all rows, and between lines for more than these."""
        runs = sum(len(positions) for positions in self._lined) + 1
        least = _NARROWEST_BLOCK * runs if runs > 1 else 1
        return self.pixels > 0 and self.pixels * len(self.starts) >= least

    @cached_property
    def starts(self) -> Ints:
        """``[M]``, the first row of each cell."""
        edges = [0, *sorted(sum(self._lined, ())), self.rows]
        return np.concatenate([np.arange(*run, self.together) for run in pairwise(edges)])

    @cached_property
    def ends(self) -> Ints:
        """``[M]``, the pixel behind each cell and its line."""
        return np.cumsum(self.pixels + self._after)

    @cached_property
    def shown(self) -> Ints:
        """By pixel, which cell is there; the one before it where a line is."""
        return np.repeat(np.arange(len(self.starts)), self.pixels + self._after)

    @property
    def extent(self) -> Extent:
        """What the heatmap takes of a picture."""
        return Extent(int(self.ends[-1]), STRIP if self.has_strip else 0, self.room)

    def middles(self, rows: Sequence[float]) -> list[float]:
        """Where rows stand, or what lies between rows, in pixels."""
        behind = np.append(self.starts[1:], self.rows)
        pixels = self.ends - self._after - self.pixels / 2
        return [float(at) for at in np.interp(rows, (self.starts + behind - 1) / 2, pixels)]

    @property
    def _lined(self) -> tuple[tuple[int, ...], ...]:
        return (self.borders, self.inner)[: self.kinds]

    @property
    def _lines_after(self) -> list[tuple[Ints, int]]:
        return [
            (np.searchsorted(self.starts, positions) - 1, width)
            for positions, width in zip(self._lined, _WIDTHS, strict=False)
        ]

    @cached_property
    def _after(self) -> Ints:
        """``[M]``, pixels of the line behind each cell."""
        after = np.zeros(len(self.starts), np.intp)
        for cells, width in self._lines_after:
            after[cells] = width
        return after


def cells_of(rows: int, borders: tuple[int, ...], inner: tuple[int, ...], roles: int = 1) -> Cells:
    """Fit rows, and the lines that there is room for, into one of as many heatmaps.

    The room does not depend on lines. It is 456 pixels along an edge, enough for up to 143 rows,
    and for more where a whole number of pixels for each comes near to it. Else it grows, to what
    1024 rows at one pixel each need, of several heatmaps 512; beyond, 2, 3, … rows share a pixel.
    """
    together = -(-rows // (_LARGEST // min(roles, 2)))
    cells = -(-rows // together)
    room = _with_lines(-(-_SMALLEST // cells) * cells)
    # One alone is in a picture that always has the usual size, several want no empty space.
    usual = _with_lines(_USUAL_ROOM // cells * cells) if roles > 1 else _USUAL_ROOM
    room = max(room, min(usual, _USUAL_ROOM))
    choices = [Cells(rows, room, borders, inner, kinds, together) for kinds in (2, 1, 0)]
    return next(choice for choice in choices if choice.fit)


def _with_lines(pixels: int) -> int:
    return pixels + pixels // _FOR_LINES
