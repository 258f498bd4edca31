"""One plane of an image as a tile of pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image

from gramscope.picture.paint import Pixels, packed

__all__ = ["MARGIN", "Bytes", "Plane"]

Bytes = npt.NDArray[np.uint8]

MARGIN = 2
"""Pixels around a tile, in which the outline of a patch at its edge stands."""


@dataclass(frozen=True)
class Plane:
    """One plane as a tile: an image of two axes, or what two axes of three span."""

    axis: int | None
    """The one that it cuts; ``None`` where there are but two."""
    at: float
    """Where it cuts that, from 0 to 1."""
    grid: tuple[int, int]
    place: tuple[int, int]
    """The chosen patch among those of the grid."""
    size: tuple[int, int]
    """Pixels, from above and from the left."""

    def image(self, volume: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
        """``[height, width]``: means where there are too many values, and nothing is smoothed."""
        height, width = self.size
        image = PIL.Image.fromarray(np.ascontiguousarray(self._cut(volume), np.float32))
        return np.asarray(image.resize((width, height), PIL.Image.Resampling.BOX))

    def cells(self, of_patches: Bytes) -> Bytes:
        """``[height, width]``, what each patch has on all of its pixels."""
        ys, xs = (
            (2 * np.arange(size) + 1) * n // (2 * size)
            for size, n in zip(self.size, self.grid, strict=True)
        )
        return np.asarray(self._cut(of_patches)[ys][:, xs])

    def _cut(self, volume: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self.axis is None:
            return volume
        at = int(self.at * volume.shape[self.axis])
        return np.asarray(volume[(slice(None),) * self.axis + (at,)])

    def tile(self, rgb: Bytes) -> Pixels:
        """With its margin, and a line of black and white around the chosen patch."""
        height, width = self.size
        margined = np.full((height + 2 * MARGIN, width + 2 * MARGIN, 3), 255, np.uint8)
        margined[MARGIN:-MARGIN, MARGIN:-MARGIN] = rgb
        tops, lefts = (
            (MARGIN + at * size // n, MARGIN + max(at * size // n + 1, -(-(at + 1) * size // n)))
            for size, n, at in zip(self.size, self.grid, self.place, strict=True)
        )
        inside = margined[slice(*tops), slice(*lefts)].copy()
        for width, tone in ((2, 0), (1, 255)):
            margined[slice(*_wider(tops, width)), slice(*_wider(lefts, width))] = tone
        margined[slice(*tops), slice(*lefts)] = inside
        return packed(margined)


def _wider(ends: tuple[int, int], by: int) -> tuple[int, int]:
    return ends[0] - by, ends[1] + by
