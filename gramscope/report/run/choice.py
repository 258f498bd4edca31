"""How much of a long run is on a page: which pictures, which rows of them, which points of curves.

A page is to be sent and to open at once. So pictures may take `BUDGET` bytes of it, shared evenly
between features: of each so many steps as fit, spread evenly over those on disk, the first, the
last, and where the state changed among them. A picture has 256 rows at most. A curve has 1,000
points at most; of a longer one the least and the greatest value of each of 500 stretches. Of the
same rows over time there is a film strip: 8 of the pictures at most, spread evenly.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import numpy.typing as npt

from gramscope.events import Matrix
from gramscope.events.matrix import MatrixError, read_matrix
from gramscope.report.history import History
from gramscope.report.run.slices import slices
from gramscope.report.spells import Spell

__all__ = ["BUDGET", "MOST_ROWS", "STRETCHES", "choose", "film", "rows"]

BUDGET = 12_000_000
"""Bytes of pictures on a page."""
MOST_ROWS = 256
STRETCHES = 500
"""Of a long curve; each shows its extremes."""

_FILM = 8
"""Pictures in a film strip."""

_IMAGE = 270_000
"""Bytes that the planes of an image take at most."""

_TRIED = 3
"""Pictures that are looked at for what they hold: a file may be damaged."""

Ints = npt.NDArray[np.intp]


def choose(history: History, states: Sequence[Spell], budget: int) -> list[int]:
    """Steps of which a page shows the pictures."""
    steps = history.pictured
    if not steps:
        return []
    of_slices = _slices(history)
    each = max(_bytes(history.events[step].n) for step in steps) + of_slices
    most = max(2, (budget - _IMAGE * bool(of_slices)) // each)
    if len(steps) <= most:
        return steps
    began = np.searchsorted(steps, [spell.first for spell in states]).clip(max=len(steps) - 1)
    wanted = [*map(int, began)][: most // 2]
    even = np.linspace(0, len(steps) - 1, most - len({*wanted})).round().astype(int)
    return [steps[at] for at in sorted({*wanted, *map(int, even)})]


def _bytes(n: int) -> int:
    """About what a picture takes: a byte for each pair, which hardly gets smaller, as base64."""
    n = min(n, MOST_ROWS)
    return n * (n - 1) // 2 * 4 // 3 + 16 * n + 500


def _slices(history: History) -> int:
    """About what a picture's slices take: a byte for each cell, as base64."""
    for step in history.pictured[:_TRIED]:
        with suppress(MatrixError):
            patches = read_matrix(history.matrix_file(step)).patches
            found = slices(patches) if patches else None
            return len(found.values) * 4 // 3 if found else 0
    return 0


def film(steps: Sequence[int]) -> list[int]:
    """Of the steps with pictures those of the film strip."""
    even = np.linspace(0, len(steps) - 1, min(_FILM, len(steps))).round().astype(int)
    return [steps[at] for at in even]


def rows(matrix: Matrix) -> Ints:
    """Positions of the rows that a page shows: all, or whole samples evenly spread."""
    n = len(matrix.gram)
    if n <= MOST_ROWS:
        return np.arange(n)
    of = np.arange(n) if matrix.sample is None else matrix.sample
    samples, counts = np.unique(of, return_counts=True)
    most = max(1, MOST_ROWS // int(counts.max()))
    kept = samples[np.linspace(0, len(samples) - 1, min(most, len(samples))).round().astype(int)]
    return np.flatnonzero(np.isin(of, kept))[:MOST_ROWS]
