"""Similarities as colours: classes of viridis, and means of rows that share a pixel."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps

from gramscope.events.matrix import Patches
from gramscope.picture.look import ColorRange

__all__ = ["averaged", "classes", "span_of", "viridis"]

Floats = npt.NDArray[np.float32]

_LEAST_SPAN = 1e-3


def averaged(gram: Floats, starts: npt.NDArray[np.intp]) -> Floats:
    """Means over blocks of a matrix, so that each row counts where there are too many to show.

    Args:
        gram: ``[N, N]``.
        starts: ``[M]``, the first row of each block, in ascending order from 0.

    Returns:
        ``[M, M]``.
    """
    if len(starts) == len(gram):
        return gram
    sizes = np.diff(starts, append=len(gram)).astype(np.float32)
    sums = np.add.reduceat(np.add.reduceat(gram, starts, axis=0), starts, axis=1)
    return np.asarray(sums / np.outer(sizes, sizes), np.float32)


def classes(values: Floats, span: tuple[float, float] = (-1.0, 1.0)) -> npt.NDArray[np.uint8]:
    """Which of 256 equal classes of the span, whose upper end is in the last: as matplotlib."""
    low, high = span
    return ((values - low) * (256 / (high - low))).clip(0, 255).astype(np.uint8)


@cache
def viridis() -> npt.NDArray[np.uint8]:
    """``[256, 4]``, red, green, blue and opacity of each class."""
    return np.asarray(colormaps["viridis"](np.arange(256), bytes=True))


def span_of(
    color_range: str, grams: Iterable[Floats], patches: Iterable[Patches] = ()
) -> tuple[float, float]:
    """The least and the largest similarity that colours are to tell apart.

    Args:
        color_range: A value of `ColorRange`.
        grams: ``[N, N]`` each; what their diagonals hold is of no interest.
        patches: Of no interest is how alike the chosen patch is to itself.
    """
    if ColorRange(color_range) is ColorRange.fixed:
        return -1.0, 1.0
    shown = [_off_diagonal(gram) for gram in grams if len(gram) > 1]
    shown += [np.delete(p.similarity, p.patch) for p in patches if len(p.similarity) > 1]
    if not shown:
        return -1.0, 1.0
    low, high = float(min(x.min() for x in shown)), float(max(x.max() for x in shown))
    lacking = max(0.0, _LEAST_SPAN - (high - low))
    high = min(1.0, high + lacking / 2)
    return min(low, high - _LEAST_SPAN), high


def _off_diagonal(gram: Floats) -> Floats:
    # Without the last entry, all of the diagonal stands in the first of n + 1 columns.
    n = len(gram)
    return gram.ravel()[:-1].reshape(n - 1, n + 1)[:, 1:]
