"""A volume, and cubes cut out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = [
    "FOREGROUND",
    "TISSUES",
    "Region",
    "Volume",
    "majority_tissue",
    "sample_origin",
    "tissue_shares",
]

TISSUES = ("grey", "white", "other")
"""Tissue classes in label order."""

FOREGROUND = 0.05
"""Background of an image that was scaled to 0…1 lies below."""

_FOREGROUND_TRIES = 20


@dataclass(frozen=True)
class Region:
    """A box of voxels, `start` included and `stop` excluded on each axis."""

    start: tuple[int, int, int]
    stop: tuple[int, int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Edge lengths in voxels."""
        a, b, c = (hi - lo for lo, hi in zip(self.start, self.stop, strict=True))
        return a, b, c


@dataclass(frozen=True)
class Volume:
    """One scalar image with optional tissue maps.

    Attributes:
        image: `[D, H, W]` intensities scaled to 0…1; may be a read-only memory map.
        tissue: `[2, D, H, W]` probabilities of grey and white matter, or `None`.
        region: The box that crops may touch; `None` means all of it.
    """

    image: npt.NDArray[np.floating]
    tissue: npt.NDArray[np.floating] | None = None
    region: Region | None = None

    @property
    def bounds(self) -> Region:
        """The box that crops may touch."""
        depth, height, width = self.image.shape
        return self.region or Region((0, 0, 0), (depth, height, width))

    def crop(self, origin: Sequence[int], size: int) -> Tensor:
        """Cut a cube.

        Args:
            origin: First voxel of the cube on each axis.
            size: Edge length in voxels.

        Returns:
            `[size, size, size]` float32, a copy.
        """
        return torch.from_numpy(self.image[_cube(origin, size)].astype(np.float32))

    def label(self, origin: Sequence[int], size: int) -> int | None:
        """Majority tissue of a cube, `None` for a volume without tissue maps."""
        shares = self.tissue_shares(origin, size)
        return None if shares is None else int(shares.argmax())

    def tissue_shares(self, origin: Sequence[int], size: int) -> npt.NDArray[np.floating] | None:
        """Share of each of `TISSUES` in a cube, `None` for a volume without tissue maps."""
        if self.tissue is None:
            return None
        depth, height, width = _cube(origin, size)
        return tissue_shares(self.tissue[:, depth, height, width])


def majority_tissue(tissue: npt.NDArray[np.floating]) -> int:
    """Index into `TISSUES` of the class that fills most of a crop.

    Args:
        tissue: `[2, …]` probabilities of grey and white matter; the rest is `other`.
    """
    return int(tissue_shares(tissue).argmax())


def tissue_shares(tissue: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Share of each of `TISSUES` in a crop; they sum to 1.

    Args:
        tissue: `[2, …]` probabilities of grey and white matter; the rest is `other`.
    """
    # Along the axes as they are: a cube of a volume would have to be copied to be flattened.
    grey, white = tissue.mean(axis=tuple(range(1, tissue.ndim)))
    return np.array([grey, white, 1.0 - grey - white])


def sample_origin(volume: Volume, size: int, rng: np.random.Generator) -> tuple[int, int, int]:
    """Draw where to cut a cube that lies inside the region, around foreground if there is some.

    Args:
        volume: Volume whose region is at least `size` voxels long on each axis.
        size: Edge length of the cube.
        rng: Source of randomness.

    Returns:
        First voxel of the cube.
    """
    bounds = volume.bounds
    low = np.array(bounds.start)
    high = np.array(bounds.stop) - size
    origin = low
    for _ in range(_FOREGROUND_TRIES):
        # The centre is uniform over the region and the cube is pushed inside,
        # so that tissue at the rim is seen as often as tissue in the middle.
        centre = rng.integers(bounds.start, bounds.stop)
        origin = np.clip(centre - size // 2, low, high)
        if volume.image[tuple(centre)] > FOREGROUND:
            break
    depth, height, width = (int(o) for o in origin)
    return depth, height, width


def _cube(origin: Sequence[int], size: int) -> tuple[slice, slice, slice]:
    depth, height, width = (slice(o, o + size) for o in origin)
    return depth, height, width
