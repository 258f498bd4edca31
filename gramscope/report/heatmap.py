"""Gram matrices as small pictures for a page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.Image
from matplotlib import colormaps

__all__ = ["Gram", "PictureError", "data_uri", "legend_uri", "read_gram"]

_MAX_PIXELS = 512


class PictureError(Exception):
    """There is nothing to draw; the message says why."""


@dataclass(frozen=True)
class Gram:
    """A matrix from disk."""

    gram: npt.NDArray[np.float32]
    """``[N, N]``."""
    boundaries: tuple[int, ...]
    """Indices of the first row of each further rank."""


def read_gram(path: Path) -> Gram:
    """The matrix of one event.

    Args:
        path: An ``.npz`` file with ``gram`` ``[N, N]`` and, if it has one, ``rank`` ``[N]``.

    Raises:
        PictureError: If the file is not there or holds no such matrix.
    """
    try:
        # `np.load` would leave open a file that it cannot read.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            gram = np.asarray(data["gram"], dtype=np.float32)
            rank = np.asarray(data["rank"]) if "rank" in data else np.zeros(0)
    except FileNotFoundError:
        raise PictureError("picture data not found") from None
    except Exception as error:  # whatever a damaged file leads to
        raise PictureError("unreadable picture data") from error
    if gram.ndim != 2 or not len(gram) or len(gram) != gram.shape[1]:
        raise PictureError("unreadable picture data")
    if not np.isfinite(gram).all():
        raise PictureError("picture data with NaN or Inf")
    if rank.shape != (len(gram),):
        return Gram(gram, ())
    return Gram(gram, tuple(int(i) + 1 for i in np.flatnonzero(rank[1:] != rank[:-1])))


def data_uri(gram: npt.NDArray[np.float32]) -> str:
    """The matrix as an embedded PNG in viridis, fixed to −1…1, one pixel for each entry.

    Args:
        gram: ``[N, N]``, finite; above 512 rows neighbours are averaged.
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
