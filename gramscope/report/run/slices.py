"""An image's planes through one of its patches, and how alike the others in them are to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image

from gramscope.events.matrix import Patches

__all__ = ["Slices", "grey", "slices"]

_MOST_CELLS = 1 << 16
"""Of a plane."""

_MOST_PIXELS = 256
"""Along an edge of a plane."""

_WINDOW = (0.5, 99.5)
"""Percentiles of the image that are black and white."""


@dataclass(frozen=True)
class Slices:
    """The planes through one patch: one across each axis, of two axes the whole image."""

    grid: tuple[int, ...]
    at: tuple[int, ...]
    """Where in it the patch is."""
    values: npt.NDArray[np.float64]
    """Similarities, row by row and plane by plane."""
    ends: tuple[float, float]
    """The least and the greatest of all patches but itself."""


def slices(patches: Patches) -> Slices | None:
    """The similarities in the planes through the patch; ``None``: they have too many cells."""
    at = _place(patches)
    planes = _planes(patches.similarity.reshape(patches.grid), at)
    if max(plane.size for plane in planes) > _MOST_CELLS:
        return None
    values = np.concatenate([plane.ravel() for plane in planes]).astype(np.float64)
    others = np.delete(patches.similarity, patches.patch)
    ends = (float(others.min()), float(others.max())) if len(others) else (0.0, 0.0)
    return Slices(patches.grid, at, values, ends)


def grey(patches: Patches) -> tuple[dict[str, Any], bytes] | None:
    """The image in the same planes, in 256 steps of grey.

    Returns:
        Where the patch is and the height and width of each plane, and their pixels one after the
        other; ``None`` if the image is not known.
    """
    if patches.image is None:
        return None
    at = _place(patches)
    edges = zip(at, patches.grid, patches.image.shape, strict=True)
    middle = tuple((2 * i + 1) * size // (2 * cells) for i, cells, size in edges)
    planes = [plane.astype(np.float32) for plane in _planes(patches.image, middle)]
    black, white = np.percentile(np.concatenate([p.ravel() for p in planes]), _WINDOW)
    span = max(white - black, 1e-9)
    shown = [_smaller(((p - black) * (255 / span)).clip(0, 255).astype(np.uint8)) for p in planes]
    header = {"at": at, "sizes": [plane.shape for plane in shown]}
    return header, b"".join(plane.tobytes() for plane in shown)


def _place(patches: Patches) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(patches.patch, patches.grid))


def _planes(of: npt.NDArray[Any], at: tuple[int, ...]) -> list[npt.NDArray[Any]]:
    return [of] if of.ndim == 2 else [of.take(i, axis) for axis, i in enumerate(at)]


def _smaller(plane: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """With neighbours joined where there are more pixels than are shown."""
    together = -(-max(plane.shape) // _MOST_PIXELS)
    return np.asarray(PIL.Image.fromarray(plane).reduce(together))
