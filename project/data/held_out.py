"""Fixed crops that are never trained on, for whoever looks at the same samples again and again."""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.data import Dataset

from project.data.augment import Intensity
from project.data.crops import Batch
from project.data.volumes import TISSUES, Volume, sample_origin

__all__ = ["HeldOutCrops"]


class HeldOutCrops(Dataset[Batch]):
    """Crops of one volume, the same in every run.

    Tissues take turns as the crops' majority, as far as they are found. Every crop is seen through
    a scanner of its own, as a probe's are: what brightness gives away is not learned tissue.

    Args:
        volume: Whose region is held out.
        size: Edge length of a crop in voxels.
        count: How many.
        intensity: Ranges of the intensity changes.
    """

    _DRAWS = 8
    """Crops looked at for one that is taken."""

    def __init__(self, volume: Volume, size: int, count: int, intensity: Intensity) -> None:
        rng = np.random.default_rng(2)
        self._volume, self._size, self._intensity = volume, size, intensity
        self._origins = [self._draw(rng, index % len(TISSUES)) for index in range(count)]

    def _draw(self, rng: np.random.Generator, tissue: int) -> tuple[int, int, int]:
        """The one of a few that has most of a tissue."""
        origins = [sample_origin(self._volume, self._size, rng) for _ in range(self._DRAWS)]
        shares = [self._volume.tissue_shares(origin, self._size) for origin in origins]
        of_tissue = [0.0 if share is None else float(share[tissue]) for share in shares]
        return origins[int(np.argmax(of_tissue))]

    def __len__(self) -> int:
        return len(self._origins)

    def __getitem__(self, index: int) -> Batch:
        """One crop: `image` `[1, S, S, S]`, its `sample_id` and its `label`."""
        origin = self._origins[index]
        image = self._volume.crop(origin, self._size)[None, None]
        scanned = self._intensity.rescan(image, torch.Generator().manual_seed(index))
        crop = {"image": scanned[0], "sample_id": torch.tensor(index)}
        label = self._volume.label(origin, self._size)
        return crop if label is None else {**crop, "label": torch.tensor(label)}
