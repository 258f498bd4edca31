"""Which patches of which views the student must predict: 3D block masks."""

from __future__ import annotations

import random
from itertools import pairwise

import torch
from torch import Tensor

__all__ = ["MaskSampler", "block_mask"]

_ASPECT = 2.0  # Largest ratio of two edges of a block.
_TRIES = 10


class MaskSampler:
    """Draw masks for the global views of one crop.

    Args:
        grid: Patches along each edge of a global view.
        probability: Expected share of views with a mask.
        ratio: Smallest and largest share of masked patches within such a view.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, grid: int, probability: float, ratio: tuple[float, float]) -> None:
        low, high = ratio
        if not 0.0 <= probability <= 1.0:
            raise ValueError(f"Expected `mask_probability` in [0, 1], but got {probability}")
        if not 0.0 < low <= high <= 1.0:
            raise ValueError(
                f"Expected `mask_ratio` to satisfy 0 < low <= high <= 1, but got {ratio}"
            )
        self.grid = grid
        self.probability = probability
        self.ratio = (low, high)

    def __call__(self, views: int, rng: random.Random) -> Tensor:
        """Draw `[views, grid**3]` bool, true where a patch is masked."""
        # Systematic sampling: the number of masked views differs by at most one between crops,
        # so with the usual 2 views and probability 1/2 every crop has exactly one.
        offset = rng.random()
        cuts = [int(offset + view * self.probability) for view in range(views + 1)]
        masks = [
            block_mask(self.grid, self._count(rng), rng)
            if after > before
            else torch.zeros(self.grid**3, dtype=torch.bool)
            for before, after in pairwise(cuts)
        ]
        rng.shuffle(masks)
        return torch.stack(masks)

    def _count(self, rng: random.Random) -> int:
        return max(1, round(rng.uniform(*self.ratio) * self.grid**3))


def block_mask(grid: int, count: int, rng: random.Random) -> Tensor:
    """Mask `count` patches, in random blocks as far as blocks fit (BEiT's block masking in 3D).

    Args:
        grid: Patches along each edge.
        count: Patches to mask, at most `grid**3`.
        rng: Source of randomness.

    Returns:
        `[grid**3]` bool with exactly `count` true.
    """
    mask = torch.zeros(grid, grid, grid, dtype=torch.bool)
    missing = count
    for _ in range(_TRIES):
        if missing == 0:
            break
        block = mask[_block(grid, missing, rng)]
        fresh = int((~block).sum())
        if fresh <= missing:
            block.fill_(True)
            missing -= fresh
    flat = mask.flatten()
    # What no block could fill is scattered, so that the count is exact.
    free = flat.logical_not().nonzero().flatten().tolist()
    flat[rng.sample(free, missing)] = True
    return flat


def _block(grid: int, volume: int, rng: random.Random) -> tuple[slice, slice, slice]:
    """Draw a box of at most about `volume` patches."""
    target = rng.uniform(min(4, volume), volume) ** (1 / 3)
    stretch = [_ASPECT ** rng.uniform(-0.5, 0.5) for _ in range(2)]
    edges = [target * stretch[0], target * stretch[1], target / (stretch[0] * stretch[1])]
    lengths = [min(grid, max(1, round(edge))) for edge in edges]
    starts = [rng.randint(0, grid - length) for length in lengths]
    a, b, c = (slice(lo, lo + n) for lo, n in zip(starts, lengths, strict=True))
    return a, b, c
