"""What every picture is made of: its resolution, its title, and how pixels become a file."""

from __future__ import annotations

import io
import zlib

import PIL.Image
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.text import Text

from gramscope.picture.layout import Box, share
from gramscope.picture.paint import Pixels

__all__ = ["DPI", "bar", "encoded", "figure_of", "set_title"]

DPI = 100
_TITLE_SIZE = 10.0


def figure_of(width: int, height: int) -> Figure:
    """An empty one of so many pixels."""
    return Figure(figsize=(width / DPI, height / DPI), dpi=DPI)


def bar(figure: Figure, box: Box, colours: ScalarMappable) -> Axes:
    """A colour bar in its place."""
    width, height = map(round, figure.bbox.size)
    axes = figure.add_axes(share((width, height), box))
    figure.colorbar(colours, cax=axes, label="cosine similarity")
    axes.ticklabel_format(axis="y", useOffset=False)
    return axes


def set_title(text: Text, title: str, room: float) -> None:
    """A long one in letters small enough for so many pixels."""
    text.set(text=title, size=_TITLE_SIZE)
    too_wide = text.get_window_extent().width / room
    if too_wide > 1:
        text.set(size=_TITLE_SIZE / too_wide)


def encoded(pixels: Pixels) -> bytes:
    """A PNG file's bytes."""
    buffer = io.BytesIO()
    height, width = pixels.shape
    image = PIL.Image.frombuffer("RGBA", (width, height), pixels).convert("RGB")
    # Run lengths are what cells of one colour are made of: as small as the default, and quick.
    image.save(buffer, format="png", dpi=(DPI, DPI), compress_level=1, compress_type=zlib.Z_RLE)
    return buffer.getvalue()
