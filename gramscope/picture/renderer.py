"""Draws an event's matrix."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from gramscope.events.matrix import Matrix, OfRole
from gramscope.picture.colours import span_of
from gramscope.picture.frame import Frame
from gramscope.picture.look import Look
from gramscope.picture.order import row_order
from gramscope.picture.planes import planes_of
from gramscope.picture.rows import rows_of

__all__ = ["Renderer"]

_FRAMES = 4
"""Kept: several callbacks take turns, and each has pictures of its own kind."""
_WIDEST_PLANE = 230
"""Pixels."""
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
            right for an image's planes and for panels; of more rows as much as `cells_of` says.

        Raises:
            ValueError: If the look asks for what there is not.
        """
        patches = matrix.patches
        if patches is not None:  # of one sample, whatever is known of it
            matrix = replace(matrix, label=None, sample_id=None, view=None, sample=None)
        order = row_order(look.order, matrix.gram, matrix.label)
        roles = {matrix.role or "": OfRole(matrix.gram, matrix.spectrum), **matrix.others}
        rows = rows_of(matrix, order, look.order)
        extent = rows.cells.extent
        planes = planes_of(patches, extent.side, _WIDEST_PLANE) if patches else None
        frame = self._frame(extent, tuple(roles), look, planes)
        grams = [of_role.gram for of_role in roles.values()]
        span = span_of(look.color_range, grams, [patches] if patches else [])
        return frame.png(rows, order, matrix, roles, title, span)
