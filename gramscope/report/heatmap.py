"""Gram matrices as small pictures for a page."""

from __future__ import annotations

import base64
import io

import numpy as np
import numpy.typing as npt
import PIL.Image

from gramscope.picture.colours import averaged, classes, viridis

__all__ = ["data_uri", "legend_uri"]

_MAX_PIXELS = 512


def data_uri(gram: npt.NDArray[np.float32]) -> str:
    """The matrix as an embedded PNG in viridis, fixed to −1…1, one pixel for each entry.

    Above 512 rows 2, 3, … neighbours share a pixel, which shows their mean.
    """
    together = -(-len(gram) // _MAX_PIXELS)
    return _png(classes(averaged(gram, np.arange(0, len(gram), together))))


def legend_uri() -> str:
    """The colour scale from −1 to 1, left to right, as an embedded PNG of 256 x 1 pixels."""
    return _png(np.arange(256, dtype=np.uint8)[None])


def _png(found: npt.NDArray[np.uint8]) -> str:
    image = PIL.Image.fromarray(found)
    image.putpalette(viridis()[:, :3].tobytes())
    buffer = io.BytesIO()
    image.save(buffer, format="png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
