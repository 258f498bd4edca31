"""Draws an event's matrix."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gramscope.events.matrix import Matrix, OfRole
from gramscope.picture.frame import Frame
from gramscope.picture.look import ColorRange, Look
from gramscope.picture.order import row_order
from gramscope.picture.rows import rows_of

__all__ = ["Renderer"]

_FRAMES = 4
"""Kept: several callbacks take turns, and each has pictures of its own kind."""
_LEAST_SPAN = 1e-3
_PLAIN = Look()


class Renderer:
    """Draws one picture after another.

    What stays the same from one to the next is drawn once, see `Frame`: of each further picture
    with the same rows and look only matrices, title and panels are drawn.
    """

    def __init__(self) -> None:
        self._frame = lru_cache(maxsize=_FRAMES)(Frame)

    def png(self, matrix: Matrix, title: str, look: Look = _PLAIN) -> bytes:
        """Draw an event's matrix, or those of all its roles.

        Args:
            matrix: What is shown; all its roles in the order of the first.
            title: Text above the picture.
            look: What else it is to show.

        Returns:
            A PNG file's bytes: 640 x 540 pixels for one role of up to 143 rows, and more at the
            right for panels; of more rows as much as `cells_of` says.

        Raises:
            ValueError: If the look asks for what there is not.
        """
        order = row_order(look.order, matrix.gram, matrix.label)
        roles = {matrix.role or "": OfRole(matrix.gram, matrix.spectrum), **matrix.others}
        rows = rows_of(matrix, order, look.order)
        frame = self._frame(rows.cells.extent, tuple(roles), look)
        return frame.png(rows, order, matrix, roles, title, _span(look, roles.values()))


def _span(look: Look, roles: Iterable[OfRole]) -> tuple[float, float]:
    """The least and the largest similarity that colours are to tell apart."""
    if ColorRange(look.color_range) is ColorRange.fixed:
        return -1.0, 1.0
    ends = [end for role in roles if len(role.gram) > 1 for end in _off_diagonal_range(role.gram)]
    if not ends:
        return -1.0, 1.0
    low, high = min(ends), max(ends)
    lacking = max(0.0, _LEAST_SPAN - (high - low))
    high = min(1.0, high + lacking / 2)
    return min(low, high - _LEAST_SPAN), high


def _off_diagonal_range(gram: npt.NDArray[np.float32]) -> tuple[float, float]:
    # Without the last entry, all of the diagonal stands in the first of n + 1 columns.
    n = len(gram)
    others = gram.ravel()[:-1].reshape(n - 1, n + 1)[:, 1:]
    return float(others.min()), float(others.max())
