"""Gram matrices as small pictures for a page."""

from __future__ import annotations

import base64
import io
from functools import cache

import numpy as np
import numpy.typing as npt
import PIL.Image
from matplotlib import colormaps

__all__ = ["data_uri", "legend_uri"]

_MAX_PIXELS = 512


def data_uri(gram: npt.NDArray[np.float32]) -> str:
    """The matrix as an embedded PNG in viridis, fixed to −1…1, one pixel for each entry.

    Above 512 rows neighbours are averaged.
    """
    if len(gram) > _MAX_PIXELS:
        edges = np.linspace(0, len(gram), _MAX_PIXELS, endpoint=False).astype(int)
        sizes = np.diff(edges, append=len(gram)).astype(np.float32)
        sums = np.add.reduceat(np.add.reduceat(gram, edges, axis=0), edges, axis=1)
        gram = (sums / np.outer(sizes, sizes)).astype(np.float32)
    # 256 equal classes, the upper end in the last: as matplotlib does.
    return _png((gram.clip(-1, 1) * 128 + 128).clip(0, 255).astype(np.uint8))


def legend_uri() -> str:
    """The colour scale from −1 to 1, left to right, as an embedded PNG of 256 x 1 pixels."""
    return _png(np.arange(256, dtype=np.uint8)[None])


def _png(classes: npt.NDArray[np.uint8]) -> str:
    image = PIL.Image.fromarray(classes)
    image.putpalette(_palette())
    buffer = io.BytesIO()
    image.save(buffer, format="png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


@cache
def _palette() -> bytes:
    colours = colormaps["viridis"](np.arange(256), bytes=True)
    return bytes(np.asarray(colours)[:, :3].tobytes())
