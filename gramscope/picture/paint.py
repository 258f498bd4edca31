"""A matrix as pixels: its colours, lines between its rows, and strips where lines have no room."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from gramscope.picture.cells import Cells
from gramscope.picture.colours import averaged, classes, viridis

__all__ = ["BLACK", "Pixels", "packed", "painted", "strip"]

Pixels = npt.NDArray[np.uint32]
"""Red, green, blue and opacity, a byte each."""

BLACK = np.frombuffer(b"\0\0\0\xff", np.uint32)

_DASH = 4
_TONES = np.array([[0.0, 85.0], [230.0, 170.0]])
"""Of the rows of every other rank, and of every other view within it."""


def painted(gram: npt.NDArray[np.float32], cells: Cells, span: tuple[float, float]) -> Pixels:
    """``[side, side]``, with lines whose black and white are seen on any matrix."""
    found = classes(averaged(gram, cells.starts), span)
    pixels = _table()[found[cells.shown][:, cells.shown]]
    for at, width in reversed(cells.lines):
        for back, dots in enumerate(_line(width, len(pixels)), 1):
            pixels[at - back], pixels[:, at - back] = dots, dots[:, None]
    return pixels


def strip(cells: Cells) -> Pixels:
    """``[side]``, dark and light by turns: ranks or labels, and paler the views within."""
    ranks, views = (_runs(cells.rows, x) for x in (cells.borders, cells.inner))
    tones = _TONES[ranks % 2, (views + ranks) % 2]
    means = np.add.reduceat(tones, cells.starts) / np.diff(cells.starts, append=cells.rows)
    return _grey(means)[cells.shown]


def _line(width: int, side: int) -> list[Pixels]:
    """Black and white beside each other; of one pixel, dashes of both."""
    if width > 1:
        return [_grey(np.full(side, tone)) for tone in (0.0, 255.0)]
    return [_grey(np.where(np.arange(side) // _DASH % 2, 255.0, 0.0))]


def _runs(rows: int, borders: tuple[int, ...]) -> npt.NDArray[np.intp]:
    return np.searchsorted(borders, np.arange(rows), side="right")


def packed(rgb: npt.NDArray[np.uint8]) -> Pixels:
    """``[..., 3]``, red, green and blue, as pixels ``[...]``."""
    rgba = np.full((*rgb.shape[:-1], 4), 255, np.uint8)
    rgba[..., :3] = rgb
    return rgba.view(np.uint32)[..., 0]


def _grey(tones: npt.NDArray[np.float64]) -> Pixels:
    return packed(np.repeat(tones.astype(np.uint8)[:, None], 3, axis=1))


@cache
def _table() -> Pixels:
    return np.ascontiguousarray(viridis()).view(np.uint32)[:, 0]
