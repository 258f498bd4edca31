"""Similarities as colours: classes of viridis, and means of rows that share a pixel."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps

__all__ = ["averaged", "classes", "viridis"]

Floats = npt.NDArray[np.float32]


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
