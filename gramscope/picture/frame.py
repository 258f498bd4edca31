"""Pictures of one kind: what stays the same among them is drawn once and kept as pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.text import Text

from gramscope.events.matrix import Matrix, OfRole, Patches
from gramscope.picture.canvas import bar, encoded, figure_of, set_title
from gramscope.picture.heatmap import Heatmap
from gramscope.picture.layout import STRIP, Box, Extent, layout, share
from gramscope.picture.look import ColorRange, Look
from gramscope.picture.names import plain
from gramscope.picture.paint import BLACK, Pixels, painted, strip
from gramscope.picture.panels import Histogram, SpectrumPanel, panel
from gramscope.picture.planes import Planes
from gramscope.picture.rows import Rows

__all__ = ["Frame"]

_STRIP_FROM = 2  # pixels from the matrix, behind its edge


class Frame:
    """Heatmaps of one size, a colour bar and panels, drawn into again and again.

    Needs no display and leaves pyplot's global state alone.
    """

    def __init__(
        self, extent: Extent, roles: Sequence[str], look: Look, planes: Planes | None = None
    ) -> None:
        self._planes = planes
        self._sheet = planes.sheet([f"similarity to {planes.name}"]) if planes else None
        of_planes = self._sheet.size[0] if self._sheet else 0
        self._place = layout(extent, len(roles), len(look.panels), of_planes)
        self._figure = figure_of(*self._place.size)
        if self._sheet is not None:
            self._sheet.write(self._figure, *self._of_planes)
        self._canvas = FigureCanvasAgg(self._figure)
        self._colours = ScalarMappable(Normalize(-1.0, 1.0), "viridis")
        shown = [plain(role, 48) if len(roles) > 1 else "" for role in roles]
        self._maps = [
            Heatmap(self._axes(box), extent, shown[i], *_sides(i, len(roles)))
            for i, box in enumerate(self._place.maps)
        ]
        self._title = self._titled()
        is_fixed = look.color_range == ColorRange.fixed.value
        self._panels: list[Histogram | SpectrumPanel] = [
            panel(name, self._axes(box), [plain(role, 24) for role in roles], is_fixed)
            for name, box in zip(look.panels, self._place.panels, strict=True)
        ]
        scale = bar(self._figure, self._place.bar, self._colours)
        self._named: list[Artist] = [axis for m in self._maps for axis in m.axes_of_names]
        self._changing: list[Artist] = [self._title, *(a for p in self._panels for a in p.changing)]
        if not is_fixed:
            self._changing.append(scale.yaxis)
        for artist in (*self._named, *self._changing):
            artist.set_animated(True)
        self._canvas.draw()
        self._blank = self._pixels()
        self._rows: Rows | None = None
        self._with_names: Any = None

    def png(
        self,
        rows: Rows,
        order: npt.NDArray[np.intp],
        matrix: Matrix,
        roles: Mapping[str, OfRole],
        title: str,
        span: tuple[float, float],
    ) -> bytes:
        """Draw one picture.

        Args:
            rows: What stands along the axes.
            order: ``[N]``, which row to show first, second, and so on.
            matrix: Whose rows are shown.
            roles: What is to be shown, as many as the frame is for.
            title: Text above the picture.
            span: What the colours span.

        Returns:
            A PNG file's bytes.
        """
        self._colours.set_clim(*span)
        for beside in self._panels:
            beside.update(matrix, list(roles.values()), span)
        (width, _), (middle, _) = self._place.size, self._place.title
        set_title(self._title, title, 2 * min(middle, width - middle))
        self._restore(rows)
        self._draw(self._changing)
        pixels = np.array(self._canvas.buffer_rgba()).view(np.uint32)[..., 0]
        for box, of_role in zip(self._place.maps, roles.values(), strict=True):
            self._put(pixels, box, painted(_ordered(of_role.gram, order), rows.cells, span), rows)
        self._put_planes(pixels, matrix.patches, span)
        return encoded(pixels)

    def _put(self, pixels: Pixels, box: Box, matrix: Pixels, rows: Rows) -> None:
        """Put a matrix in its place, a black edge around it, and strips beside that."""
        left, bottom, side, _ = box
        top, right = self._place.size[1] - bottom - side, left + side
        pixels[top - 1 : top + side + 1, left - 1 : right + 1] = BLACK
        pixels[top : top + side, left:right] = matrix
        if rows.cells.has_strip:
            beside = strip(rows.cells)
            pixels[top - STRIP : top - _STRIP_FROM, left:right] = beside
            pixels[top : top + side, right + _STRIP_FROM : right + STRIP] = beside[:, None]

    def _put_planes(
        self, pixels: Pixels, patches: Patches | None, span: tuple[float, float]
    ) -> None:
        if patches is None or self._planes is None or self._sheet is None:
            return
        tiles = self._planes.columns(patches.image, [patches.similarity], span)
        self._sheet.put(pixels, *self._of_planes, tiles)

    @property
    def _of_planes(self) -> tuple[int, int]:
        """Where their sheet begins, from the left and from above: beside the first heatmap."""
        assert self._sheet is not None
        _, bottom, _, side = self._place.maps[0]
        return self._place.planes, self._place.size[1] - bottom - side - self._sheet.first[1]

    def _restore(self, rows: Rows) -> None:
        """Put back all that does not change from picture to picture as long as rows are these."""
        if rows == self._rows:
            self._canvas.restore_region(self._with_names)
            return
        for heatmap in self._maps:
            heatmap.name(rows)
        self._canvas.restore_region(self._blank)
        self._draw(self._named)
        self._rows, self._with_names = rows, self._pixels()

    def _draw(self, artists: Sequence[Artist]) -> None:
        for artist in artists:
            self._figure.draw_artist(artist)

    def _pixels(self) -> Any:
        return self._canvas.copy_from_bbox(self._figure.bbox)

    def _axes(self, box: Box) -> Axes:
        return self._figure.add_axes(share(self._place.size, box))

    def _titled(self) -> Text:
        (width, height), (x, y) = self._place.size, self._place.title
        return self._figure.text(x / width, y / height, "", ha="center", parse_math=False)


def _sides(number: int, roles: int) -> tuple[bool, bool]:
    """Whether names stand left of a heatmap, and below: all have the same rows."""
    return number % 2 == 0, number + 2 >= roles


def _ordered(gram: npt.NDArray[np.float32], order: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
    is_as_gathered = (order[1:] > order[:-1]).all()
    return gram if is_as_gathered else gram[order][:, order]
