"""Pictures of one kind: what stays the same among them is drawn once and kept as pixels."""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import PIL.Image
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from gramscope.events.matrix import Matrix, OfRole
from gramscope.picture.layout import layout
from gramscope.picture.look import ColorRange, Look
from gramscope.picture.panels import draw_panel
from gramscope.picture.rows import Rows

__all__ = ["Frame"]

_DPI = 100
_TITLE_PAD = 6.0 * _DPI / 72


class Frame:
    """Axes, ticks and a fixed colour bar, into which one picture after another is drawn.

    Needs no display and leaves pyplot's global state alone.
    """

    def __init__(self, rows: Rows, roles: Sequence[str], look: Look) -> None:
        self._look = look
        self._place = layout(len(roles), len(look.panels))
        width, height = self._place.size
        self._figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
        self._canvas = FigureCanvasAgg(self._figure)
        self._norm = Normalize(-1.0, 1.0)
        self._images = [self._map(rows, number, roles) for number in range(len(roles))]
        self._lines = [line for image in self._images for line in _lines(image.axes, rows)]
        self._title = self._titled()
        self._panels = [self._axes(box) for box in self._place.panels]
        self._changing: list[Artist] = [*self._images, *self._lines]
        self._changing += [s for image in self._images for s in image.axes.spines.values()]
        self._changing += [self._title, *self._panels]
        bar = self._bar()
        if look.color_range == ColorRange.adaptive.value:
            self._changing.append(bar)
        for artist in self._changing:
            artist.set_animated(True)
        self._canvas.draw()
        self._pixels = self._canvas.copy_from_bbox(self._figure.bbox)

    def png(
        self,
        order: npt.NDArray[np.intp],
        matrix: Matrix,
        roles: Mapping[str, OfRole],
        title: str,
        span: tuple[float, float],
    ) -> bytes:
        """Draw one picture.

        Args:
            order: ``[N]``, which row to show first, second, and so on.
            matrix: Whose rows are shown.
            roles: What is to be shown, as many as the frame is for.
            title: Text above the picture.
            span: What the colours span.

        Returns:
            A PNG file's bytes.
        """
        self._norm.vmin, self._norm.vmax = span
        for image, of_role in zip(self._images, roles.values(), strict=True):
            image.set_data(of_role.gram[np.ix_(order, order)])
        for axes, panel in zip(self._panels, self._look.panels, strict=True):
            draw_panel(axes, panel, matrix, roles, span)
        self._title.set_text(title)
        self._canvas.restore_region(self._pixels)
        for artist in self._changing:
            self._figure.draw_artist(artist)
        return _png(np.asarray(self._canvas.buffer_rgba()))

    def _axes(self, box: tuple[float, float, float, float]) -> Axes:
        return self._figure.add_axes(self._place.share(box))

    def _map(self, rows: Rows, number: int, roles: Sequence[str]) -> AxesImage:
        axes = self._axes(self._place.maps[number])
        places, names = [t.at for t in rows.ticks], [t.name for t in rows.ticks]
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_ticks(places, names, size=rows.font_size, parse_math=False)
        if rows.upright:
            axes.tick_params(axis="y", labelrotation=90)
            for text in axes.get_yticklabels():
                text.set_va("center")
        # All have the same rows: their names stand at the left and below.
        is_left, is_lowest = number % 2 == 0, number + 2 >= len(roles)
        axes.tick_params(left=is_left, labelleft=is_left, bottom=is_lowest, labelbottom=is_lowest)
        axes.set_xlabel(rows.what if is_lowest else "")
        axes.set_ylabel(rows.what if is_left else "")
        if len(roles) > 1:
            axes.set_title(roles[number], fontsize=10, parse_math=False)
        return axes.imshow(
            np.zeros((rows.count, rows.count), np.float32),
            cmap="viridis",
            norm=self._norm,
            aspect="auto",
            interpolation="nearest",
        )

    def _bar(self) -> Axes:
        axes = self._axes(self._place.bar)
        bar = self._figure.colorbar(self._images[0], cax=axes, label="cosine similarity")
        bar.formatter.set_useOffset(False)
        return axes

    def _titled(self) -> Artist:
        (width, height), maps = self._place.size, self._place.maps
        left, right = maps[0][0], maps[min(len(maps), 2) - 1][0] + maps[0][2]
        top = maps[0][1] + maps[0][3] + _TITLE_PAD + (20.0 if len(maps) > 1 else 0.0)
        at = ((left + right) / 2 / width, top / height)
        return self._figure.text(*at, "", fontsize=10, ha="center", va="baseline", parse_math=False)


def _lines(axes: Axes, rows: Rows) -> list[LineCollection]:
    """Borders across the matrix, in two tones: one of them is seen on any colour."""
    return [
        axes.add_collection(collection, autolim=False)
        for borders, alpha in ((rows.inner, 0.5), (rows.borders, 1.0))
        if borders
        for collection in _two_tone(borders, rows.count, alpha)
    ]


def _two_tone(borders: Sequence[int], n: int, alpha: float) -> list[LineCollection]:
    ends = (-0.5, n - 0.5)
    across = [[(end, at - 0.5) for end in ends] for at in borders]
    down = [[(at - 0.5, end) for end in ends] for at in borders]
    return [
        LineCollection(across + down, colors=colour, linewidths=0.72, linestyles=style, alpha=alpha)
        for colour, style in (("white", "solid"), ("black", (0, (4, 4))))
    ]


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    # Run lengths are what cells of one colour are made of: as small as the default, and quick.
    PIL.Image.fromarray(np.ascontiguousarray(pixels[..., :3])).save(
        buffer, format="png", dpi=(_DPI, _DPI), compress_level=1, compress_type=zlib.Z_RLE
    )
    return buffer.getvalue()
