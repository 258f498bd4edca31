"""Draws the gram matrix."""

from __future__ import annotations

import io
import zlib

import numpy as np
import numpy.typing as npt
import PIL.Image
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

__all__ = ["HeatmapRenderer"]

_SIZE_INCHES = (6.4, 5.4)
_DPI = 100


class HeatmapRenderer:
    """Draws heatmaps one after another into the same figure.

    What stays the same from one picture to the next (axes, ticks, colour bar) is drawn once and
    kept as pixels; of each further picture of that size only the matrix and the title are drawn.
    Needs no display and leaves pyplot's global state alone.
    """

    def __init__(self) -> None:
        self._frame: tuple[int, tuple[int, ...]] | None = None

    def png(
        self, gram: npt.NDArray[np.float32], title: str, boundaries: tuple[int, ...] = ()
    ) -> bytes:
        """Draw one gram matrix.

        Args:
            gram: ``[N, N]``, values within −1…1.
            title: Text above the picture.
            boundaries: Indices of the first sample of each further rank, where thin lines go.

        Returns:
            A PNG file's bytes, 640 x 540 pixels.
        """
        if self._frame != (len(gram), boundaries):
            self._draw_frame(len(gram), boundaries)
            self._frame = (len(gram), boundaries)
        self._canvas.restore_region(self._pixels)
        self._image.set_data(gram)
        self._title.set_text(title)
        for artist in (self._image, *self._lines, *self._axes.spines.values(), self._title):
            self._figure.draw_artist(artist)
        buffer = io.BytesIO()
        pixels = np.ascontiguousarray(np.asarray(self._canvas.buffer_rgba())[..., :3])
        # Run lengths are what cells of one colour are made of: as small as the default, and quick.
        PIL.Image.fromarray(pixels).save(
            buffer, format="png", dpi=(_DPI, _DPI), compress_level=1, compress_type=zlib.Z_RLE
        )
        return buffer.getvalue()

    def _draw_frame(self, n: int, boundaries: tuple[int, ...]) -> None:
        self._figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI)
        self._canvas = FigureCanvasAgg(self._figure)
        self._axes = self._figure.add_axes((0.105, 0.095, 0.72, 0.82))
        for axis in (self._axes.xaxis, self._axes.yaxis):
            axis.set_label_text("sample index")
            axis.set_major_locator(MaxNLocator(nbins=8, integer=True))
        self._image = self._axes.imshow(
            np.zeros((n, n), np.float32),
            cmap="viridis",
            vmin=-1.0,
            vmax=1.0,
            aspect="auto",
            interpolation="nearest",
            animated=True,
        )
        bar = self._figure.add_axes((0.85, 0.095, 0.035, 0.82))
        self._figure.colorbar(self._image, cax=bar, label="cosine similarity")
        self._title = self._axes.set_title("", fontsize=10, animated=True, parse_math=False)
        self._lines = [
            draw(at - 0.5, color="white", linewidth=0.6, alpha=0.7, animated=True)
            for at in boundaries
            for draw in (self._axes.axhline, self._axes.axvline)
        ]
        self._canvas.draw()
        self._pixels = self._canvas.copy_from_bbox(self._figure.bbox)
