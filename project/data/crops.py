"""Numbered crops: the stream that training reads, and the fixed ones that a probe reads."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from project.data.augment import Intensity, MultiCrop
from project.data.masking import MaskSampler
from project.data.volumes import TISSUES, Volume, sample_origin

__all__ = [
    "Batch",
    "CropLoader",
    "CropStream",
    "LabelledCrops",
    "StreamSampler",
    "labelled_crops",
]

_DRAWS_PER_CROP = 20  # A tissue rarer than this makes no balanced probe.

Batch = dict[str, Tensor]
"""What `CropStream` yields; see `CropStream.__getitems__`."""


class CropStream(Dataset[Batch]):
    """Random crops with their views, each a pure function of the seed and its number.

    Args:
        volumes: Where to cut.
        crop_size: Edge length of a crop in voxels.
        augment: Views of a crop.
        masks: Masks of its global views.
        seed: Another seed, another stream.
    """

    def __init__(
        self,
        volumes: Sequence[Volume],
        crop_size: int,
        augment: MultiCrop,
        masks: MaskSampler,
        seed: int,
    ) -> None:
        self.volumes = volumes
        self.crop_size = crop_size
        self.augment = augment
        self.masks = masks
        self.seed = seed

    def __getitems__(self, sample_ids: Sequence[int]) -> Batch:
        """Make a batch.

        Args:
            sample_ids: `B` numbers in the stream.

        Returns:
            `global_crops` `[B, V, 1, S, S, S]` and `local_crops` `[B, L, 1, s, s, s]` float32,
            `masks` `[B, V, P]` bool over patches of the global views, `sample_id` `[B]` int64, and
            `label` `[B]` int64, indices into `TISSUES`, if the volumes have tissue maps.
        """
        rngs = [np.random.default_rng((self.seed, sample_id)) for sample_id in sample_ids]
        volumes = [self.volumes[int(rng.integers(len(self.volumes)))] for rng in rngs]
        origins = [
            sample_origin(volume, self.crop_size, rng)
            for volume, rng in zip(volumes, rngs, strict=True)
        ]
        crops = torch.stack(
            [volume.crop(o, self.crop_size) for volume, o in zip(volumes, origins, strict=True)]
        )
        global_crops, local_crops = self.augment(
            crops, [torch.Generator().manual_seed(int(rng.integers(2**62))) for rng in rngs]
        )
        views = global_crops.shape[1]
        batch = {
            "global_crops": global_crops,
            "local_crops": local_crops,
            "masks": torch.stack(
                [self.masks(views, random.Random(int(rng.integers(2**62)))) for rng in rngs]
            ),
            "sample_id": torch.tensor(sample_ids, dtype=torch.int64),
        }
        labels = [v.label(o, self.crop_size) for v, o in zip(volumes, origins, strict=True)]
        if None not in labels:
            batch["label"] = torch.tensor(labels, dtype=torch.int64)
        return batch


class StreamSampler(DistributedSampler[int]):
    """Number the samples of a run, the same whatever the number of ranks.

    Global batch `b` holds the samples `b * G … (b + 1) * G - 1`, `G` being the batch size over all
    ranks, and rank `r` of `R` takes every `R`-th of them.
    It is a `DistributedSampler` so that Lightning leaves it in place.

    Args:
        batches: Batches in an epoch.
        batch_size: Samples in a batch of one rank.
        num_replicas: Number of ranks.
        rank: This rank.

    Attributes:
        first_batch: Batches that the run has already had when an epoch starts, or resumes.
    """

    def __init__(self, batches: int, batch_size: int, num_replicas: int = 1, rank: int = 0) -> None:
        samples = range(batches * batch_size * num_replicas)
        super().__init__(samples, num_replicas, rank, shuffle=False)  # type: ignore[arg-type]
        self.batches = batches
        self.global_batch_size = batch_size * num_replicas
        self.first_batch = 0

    def __iter__(self) -> Iterator[int]:
        """Yield this rank's numbers for what is left of the epoch."""
        end_batch = (self.first_batch // self.batches + 1) * self.batches
        first, end = (b * self.global_batch_size for b in (self.first_batch, end_batch))
        return iter(range(first + self.rank, end, self.num_replicas))


class CropLoader(DataLoader[Batch]):
    """A loader over a `CropStream` that goes on where a checkpoint left off.

    Lightning stores and restores the state of a loader that has `state_dict`.
    """

    sampler: StreamSampler
    batches_served = 0

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        """Yield what is left of the epoch."""
        self.sampler.first_batch = self.batches_served
        for batch in super().__iter__():
            # Counted before the batch is handed over: a checkpoint taken while it is
            # trained on belongs after it.
            self.batches_served += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Batches that were handed over since the start of the run."""
        return {"batches_served": self.batches_served}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after the batches that were already trained on."""
        self.batches_served = state["batches_served"]


@dataclass(frozen=True)
class LabelledCrops:
    """Crops without augmentation, for evaluation.

    Attributes:
        images: `[N, 1, S, S, S]` float32, normalised as the views are.
        labels: `[N]` int64, indices into `TISSUES`.
    """

    images: Tensor
    labels: Tensor


def labelled_crops(
    volumes: Sequence[Volume],
    size: int,
    per_class: int,
    intensity: Intensity,
    seed: int,
    min_share: float = 0.0,
    view_size: int | None = None,
) -> LabelledCrops:
    """Draw equally many crops of each tissue.

    Near a tie the majority says little about a crop, so those without a clear one can be left out.

    Every crop is seen through a scanner of its own, a random bias field, gain, offset and contrast
    from the ranges of the augmentation: what brightness alone gives away is not learned tissue.

    Args:
        volumes: Volumes with tissue maps.
        size: Edge length of a crop in voxels.
        per_class: Crops of each tissue.
        intensity: Ranges of the intensity changes.
        seed: Another seed, other crops.
        min_share: A crop is passed over unless its majority tissue fills more of it than this.
        view_size: Edge length of the images to which crops are resized; `None` leaves them.

    Returns:
        Crops in random order of tissues.

    Raises:
        ValueError: If the region has too few crops of some tissue.
    """
    rng = np.random.default_rng(seed)
    missing = dict.fromkeys(range(len(TISSUES)), per_class)
    crops: list[Tensor] = []
    labels: list[int] = []
    for _ in range(_DRAWS_PER_CROP * per_class * len(TISSUES)):
        volume = volumes[int(rng.integers(len(volumes)))]
        origin = sample_origin(volume, size, rng)
        shares = volume.tissue_shares(origin, size)
        if shares is None:
            raise ValueError("Expected `volumes` to have tissue maps, but one has none")
        label = int(shares.argmax())
        if shares[label] > min_share and missing[label]:
            missing[label] -= 1
            crops.append(volume.crop(origin, size))
            labels.append(label)
        if not any(missing.values()):
            break
    else:
        short = {TISSUES[label]: count for label, count in missing.items() if count}
        raise ValueError(
            f"Expected {per_class} crops of each tissue, but these were not found: {short}"
        )
    images = torch.stack(crops).unsqueeze(1)  # [N, 1, S, S, S]
    if view_size is not None:
        images = functional.interpolate(images, size=(view_size,) * 3, mode="trilinear")
    generator = torch.Generator().manual_seed(seed)
    return LabelledCrops(images=intensity.rescan(images, generator), labels=torch.tensor(labels))
