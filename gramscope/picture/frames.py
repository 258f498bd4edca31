"""The tiles of a film: a column for each event, a row for each role or plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gramscope.events.matrix import Matrix, Patches
from gramscope.picture.cells import Cells
from gramscope.picture.colours import span_of
from gramscope.picture.look import Look
from gramscope.picture.names import plain
from gramscope.picture.order import row_order
from gramscope.picture.paint import BLACK, Pixels, painted
from gramscope.picture.planes import planes_of
from gramscope.picture.sheet import Sheet

__all__ = ["Frames", "frames_of"]

Floats = npt.NDArray[np.float32]

_ROOM = 1280  # pixels of all columns together, where these do not make a column too small
_NARROWEST, _WIDEST = 120, 256
_PLANES_HIGH = 480
_SHARED_FROM = 1.5  # rows a pixel, from which on several rows share one


@dataclass(frozen=True)
class Frames:
    """What a film shows."""

    sheet: Sheet
    rows: list[list[Pixels]]
    """By role or plane, a tile for each column of the sheet."""
    span: tuple[float, float]
    """What the colours span."""


def frames_of(matrices: Sequence[Matrix], heads: Sequence[str], look: Look) -> Frames:
    """The tiles of at least one event.

    Raises:
        ValueError: If events are not of one kind.
    """
    patches = [matrix.patches for matrix in matrices if matrix.patches is not None]
    if not patches:
        return _of_rows(matrices, heads, look)
    if len(patches) < len(matrices) or len({(p.grid, p.patch) for p in patches}) > 1:
        raise ValueError("a film of patches has one grid and one chosen patch")
    return _of_patches(patches, heads, look)


def _of_patches(patches: Sequence[Patches], heads: Sequence[str], look: Look) -> Frames:
    """Over the first image that there is."""
    shown = next((p for p in patches if p.image is not None), patches[0])
    columns = len(heads) + (shown.image is not None)
    planes = planes_of(shown, _PLANES_HIGH, _width(columns))
    span = span_of(look.color_range, [], patches)
    tiles = planes.columns(shown.image, [p.similarity for p in patches], span)
    return Frames(planes.sheet(heads), tiles, span)


def _of_rows(matrices: Sequence[Matrix], heads: Sequence[str], look: Look) -> Frames:
    """Rows stand in the order of the last event's."""
    events = [_roles(matrix) for matrix in matrices]
    roles, last = list(events[0]), matrices[-1]
    if any(list(event) != roles for event in events):
        raise ValueError("a film has the same roles in all of its frames")
    span = span_of(look.color_range, [gram for event in events for gram in event.values()])
    order = row_order(look.order, last.gram, last.label)
    width = _width(len(heads))
    tiles = [[_tile(event[role], order, width, span) for event in events] for role in roles]
    largest = max(len(tile) for row in tiles for tile in row)
    names = [plain(role) if len(roles) > 1 else "" for role in roles]
    sheet = Sheet(tuple(heads), tuple(names), ((largest, largest),) * len(roles))
    return Frames(sheet, tiles, span)


def _roles(matrix: Matrix) -> Mapping[str, Floats]:
    return {
        matrix.role or "": matrix.gram,
        **{role: other.gram for role, other in matrix.others.items()},
    }


def _tile(
    gram: Floats, order: npt.NDArray[np.intp], width: int, span: tuple[float, float]
) -> Pixels:
    """With a black edge; of an event with other rows as gathered."""
    n = len(gram)
    if n == len(order):
        gram = gram[order][:, order]
    together = -(-n // width) if n > _SHARED_FROM * width else 1
    each = max(1, round(width / n))
    cells = Cells(n, -(-n // together) * each, (), (), 0, together)
    return np.pad(painted(gram, cells, span), 1, constant_values=BLACK[0])


def _width(columns: int) -> int:
    """Of one, in pixels."""
    return min(max(_ROOM // columns, _NARROWEST), _WIDEST)
