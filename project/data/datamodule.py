"""DataModules: a source of volumes, multi-crop training batches and, with tissue maps, a probe."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader

from project.data.augment import Intensity, MultiCrop, ViewKind
from project.data.crops import (
    Batch,
    CropLoader,
    CropStream,
    LabelledCrops,
    StreamSampler,
    labelled_crops,
)
from project.data.held_out import HeldOutCrops
from project.data.masking import MaskSampler
from project.data.mni152 import hold_out_slab, load_mni152
from project.data.nifti import (
    CachedVolumes,
    Preparation,
    cached_files,
    find_volumes,
    prepare_volumes,
)
from project.data.volumes import Volume

__all__ = ["MNI152", "MultiCropData", "Nifti", "ProbeData"]

_GLOBAL_VIEWS = ViewKind(count=2, size=32, scale=(0.4, 1.0))
_LOCAL_VIEWS = ViewKind(count=4, size=16, scale=(0.08, 0.3))
_INTENSITY = Intensity()


@dataclass(frozen=True)
class ProbeData:
    """Labelled crops for a probe; no voxel is in both sets."""

    bank: LabelledCrops
    queries: LabelledCrops


class MultiCropData(LightningDataModule):
    """Multi-crop batches from whatever volumes a subclass provides.

    The batch is described at `CropStream.__getitems__`.

    Args:
        batch_size: Crops in a batch of one rank.
        batches_per_epoch: Batches of one rank that count as an epoch; the stream itself is endless.
        crop_size: Edge length of a crop in voxels, from which views are cut.
        patch_size: Edge length of the model's patches, for the masks.
        global_views: Views that teacher and student see.
        local_views: Views that only the student sees.
        intensity: Intensity changes of the views.
        flip_axes: Axes along which half of the views are mirrored; 0 swaps left and right.
        mask_probability: Expected share of global views with a mask.
        mask_ratio: Smallest and largest share of masked patches in such a view.
        num_workers: Loader processes; 0 prepares batches in the training process.
        seed: Seed of the stream; `None` takes that of `seed_everything`.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        batch_size: int = 32,
        batches_per_epoch: int = 100,
        crop_size: int = 32,
        patch_size: int = 8,
        global_views: ViewKind = _GLOBAL_VIEWS,
        local_views: ViewKind = _LOCAL_VIEWS,
        intensity: Intensity = _INTENSITY,
        flip_axes: Sequence[int] = (0,),
        mask_probability: float = 0.5,
        mask_ratio: tuple[float, float] = (0.1, 0.5),
        num_workers: int = 0,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        for name, value in (
            ("batch_size", batch_size),
            ("batches_per_epoch", batches_per_epoch),
            ("crop_size", crop_size),
            ("patch_size", patch_size),
        ):
            if value < 1:
                raise ValueError(f"Expected `{name}` to be at least 1, but got {value}")
        if num_workers < 0:
            raise ValueError(f"Expected `num_workers` to be at least 0, but got {num_workers}")
        if global_views.count < 1:
            raise ValueError("Expected `global_views.count` to be at least 1, but got 0")
        for kind in (global_views, local_views):
            if kind.size % patch_size:
                raise ValueError(
                    f"Expected view sizes to be multiples of `patch_size`, but got {kind.size}"
                    f" and {patch_size}"
                )
        self.batch_size = batch_size
        self.batches_per_epoch = batches_per_epoch
        self.crop_size = crop_size
        self.patch_size = patch_size
        self.augment = MultiCrop(global_views, local_views, intensity, flip_axes)
        self.masks = MaskSampler(global_views.size // patch_size, mask_probability, mask_ratio)
        self.num_workers = num_workers
        self.seed = seed

    def training_volumes(self) -> Sequence[Volume]:
        """Volumes to train on; known after `setup`."""
        raise NotImplementedError

    def probe_data(self) -> ProbeData | None:
        """Labelled crops for a probe, `None` if the source has no labels."""
        return None

    def train_dataloader(self) -> CropLoader:
        """The stream of batches."""
        trainer = self.trainer
        ranks, rank = (trainer.world_size, trainer.global_rank) if trainer else (1, 0)
        stream = CropStream(
            self.training_volumes(), self.crop_size, self.augment, self.masks, self.stream_seed
        )
        return CropLoader(
            stream,
            batch_size=self.batch_size,
            sampler=StreamSampler(self.batches_per_epoch, self.batch_size, ranks, rank),
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            collate_fn=_as_is,
            pin_memory=trainer is not None and trainer.strategy.root_device.type == "cuda",
        )

    @property
    def stream_seed(self) -> int:
        """Seed of the stream."""
        return int(os.environ.get("PL_GLOBAL_SEED", "0")) if self.seed is None else self.seed


class MNI152(MultiCropData):
    """Crops of the ICBM152 T1 template that nilearn ships, a slab of it held out for a probe.

    Args:
        held_out: Start and stop of a coronal slab that is never trained on, as shares of the
            posterior-anterior extent.
        probe_slab: Start and stop of the part of it that the probe is about. Defaults are tuned
            on the rest, so that nothing was chosen by looking at this part.
        probe_crop: Edge length of the probe's crops in voxels; they are resized to a global view.
        probe_bank: Crops of each tissue that a probe may look up, from the trained regions.
        probe_queries: Crops of each tissue that it must name, from `probe_slab`.
        probe_min_share: Share of a probe crop that its majority tissue must exceed.
        held_out_crop: Edge length in voxels of the crops of `val_dataloader`.
        held_out_crops: How many there are.
        **options: See `MultiCropData`.

    Raises:
        ValueError: If a region is too thin for a crop, or an argument is out of range.
    """

    def __init__(
        self,
        held_out: tuple[float, float] = (0.36, 0.72),
        probe_slab: tuple[float, float] = (0.54, 0.72),
        probe_crop: int = 24,
        probe_bank: int = 200,
        probe_queries: int = 300,
        probe_min_share: float = 0.5,
        held_out_crop: int = 64,
        held_out_crops: int = 32,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        (first, last), (start, stop) = held_out, probe_slab
        if not first <= start < stop <= last:
            raise ValueError(
                f"Expected `probe_slab` to lie within `held_out`, but got {probe_slab}"
                f" and {held_out}"
            )
        for name, value in (
            ("probe_crop", probe_crop),
            ("probe_bank", probe_bank),
            ("probe_queries", probe_queries),
            ("held_out_crop", held_out_crop),
            ("held_out_crops", held_out_crops),
        ):
            if value < 1:
                raise ValueError(f"Expected `{name}` to be at least 1, but got {value}")
        if not 0.0 <= probe_min_share < 1.0:
            raise ValueError(f"Expected `probe_min_share` in [0, 1), but got {probe_min_share}")
        self.held_out = held_out
        self.probe_slab = probe_slab
        self.probe_crop = probe_crop
        self.probe_bank = probe_bank
        self.probe_queries = probe_queries
        self.probe_min_share = probe_min_share
        self.held_out_crop = held_out_crop
        self.held_out_crops = held_out_crops
        self._trained: list[Volume] = []
        self._slab: Volume | None = None
        self._probed: list[Volume] = []

    def setup(self, stage: str | None = None) -> None:
        """Load the template once."""
        if self._slab is not None:
            return
        brain = load_mni152()
        behind, slab, before = hold_out_slab(brain, *self.held_out)
        _, probed, _ = hold_out_slab(brain, *self.probe_slab)
        if min(probed.bounds.shape) < self.probe_crop:
            raise ValueError(
                f"Expected `probe_slab` to be at least {self.probe_crop} voxels thick,"
                f" but got {self.probe_slab}"
            )
        for region in (behind, slab, before):
            if min(region.bounds.shape) < self.crop_size:
                raise ValueError(
                    f"Expected `held_out` to leave regions of at least {self.crop_size} voxels,"
                    f" but got {self.held_out}"
                )
        self._trained, self._slab, self._probed = [behind, before], slab, [probed]

    def training_volumes(self) -> Sequence[Volume]:
        """What lies on either side of the slab."""
        return self._trained

    def held_out_volume(self) -> Volume:
        """The slab."""
        if self._slab is None:
            raise RuntimeError("Call `setup` before asking for volumes")
        return self._slab

    def probed_volumes(self) -> Sequence[Volume]:
        """The probe's part of the slab."""
        return self._probed

    def val_dataloader(self) -> DataLoader[Batch]:
        """Fixed crops of the slab, `image` `[B, 1, S, S, S]`, for monitors of the same samples.

        Raises:
            ValueError: If such crops do not fit.
        """
        size, slab = self.held_out_crop, self.held_out_volume()
        if size % self.patch_size or size > min(slab.bounds.shape):
            raise ValueError(
                f"Expected `held_out_crop` to be a multiple of `patch_size`, {self.patch_size}, and"
                f" to fit into the slab {slab.bounds.shape}, but got {size}"
            )
        crops = HeldOutCrops(slab, size, self.held_out_crops, self.augment.intensity)
        return DataLoader(crops, batch_size=16)

    def probe_data(self) -> ProbeData:
        """Tissue crops of the trained regions and of the probe's slab."""

        def crops(volumes: Sequence[Volume], per_class: int, seed: int) -> LabelledCrops:
            return labelled_crops(
                volumes,
                self.probe_crop,
                per_class,
                self.augment.intensity,
                seed,
                self.probe_min_share,
                self.augment.global_views.size,
            )

        return ProbeData(
            bank=crops(self._trained, self.probe_bank, seed=0),
            queries=crops(self._probed, self.probe_queries, seed=1),
        )


class Nifti(MultiCropData):
    """Crops of any folder of NIfTI files; without tissue labels, so without a probe.

    Files are oriented, resampled, scaled and cropped to their foreground once, into a cache.

    Args:
        root: A folder, or a MONAI datalist (`.json`).
        datalist_key: List inside the datalist.
        cache_dir: Where prepared volumes are kept for the next run.
        spacing: Edge length of a voxel in mm after resampling.
        percentiles: Intensities that become 0 and 1.
        **options: See `MultiCropData`.

    Raises:
        FileNotFoundError: If `root` does not exist.
        ValueError: If `root` holds no volume, or an argument is out of range.
    """

    def __init__(
        self,
        root: str,
        datalist_key: str = "training",
        cache_dir: str = "~/.cache/gramscope/nifti",
        spacing: float = 1.0,
        percentiles: tuple[float, float] = (1.0, 99.5),
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if spacing <= 0:
            raise ValueError(f"Expected `spacing` to be positive, but got {spacing}")
        low, high = percentiles
        if not 0 <= low < high <= 100:
            raise ValueError(
                f"Expected `percentiles` to satisfy 0 <= low < high <= 100, but got {percentiles}"
            )
        self.root = root
        self.paths = find_volumes(root, datalist_key)
        self.cache_dir = Path(cache_dir).expanduser()
        self.preparation = Preparation(spacing, (low, high), self.crop_size)
        self._volumes: CachedVolumes | None = None

    def prepare_data(self) -> None:
        """Fill the cache, on one rank of each node."""
        prepare_volumes(self.paths, self.preparation, self.cache_dir, self.num_workers)

    def setup(self, stage: str | None = None) -> None:
        """Find what was prepared.

        Raises:
            ValueError: If no file could be used.
        """
        files = list(cached_files(self.paths, self.preparation, self.cache_dir))
        if not files:
            raise ValueError(
                f"Expected `data.root` to hold a usable volume, but all {len(self.paths)} files of"
                f" {self.root!r} were skipped; the log says why"
            )
        self._volumes = CachedVolumes(files)

    def training_volumes(self) -> Sequence[Volume]:
        """All usable volumes."""
        if self._volumes is None:
            raise RuntimeError("Call `setup` before asking for volumes")
        return self._volumes


def _as_is(batch: Any) -> Any:
    """`CropStream` makes whole batches; there is nothing to collate."""
    return batch
