"""Streams and sources of crops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from project.data.augment import Intensity, ViewKind
from project.data.crops import StreamSampler, labelled_crops
from project.data.datamodule import MNI152, MultiCropData
from project.data.mni152 import hold_out_slab
from project.data.volumes import Region, Volume, majority_tissue, sample_origin

MakeData = Callable[..., MultiCropData]


@pytest.fixture(scope="module")
def mni() -> MNI152:
    data = MNI152(batch_size=8, probe_bank=12, probe_queries=8, seed=0)
    data.setup()
    return data


def _equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_batch_of_the_default_data(mni: MNI152) -> None:
    batch = next(iter(mni.train_dataloader()))

    shapes = {key: (tuple(value.shape), value.dtype) for key, value in batch.items()}
    assert shapes == {
        "global_crops": ((8, 2, 1, 32, 32, 32), torch.float32),
        "local_crops": ((8, 4, 1, 16, 16, 16), torch.float32),
        "masks": ((8, 2, 64), torch.bool),
        "sample_id": ((8,), torch.int64),
        "label": ((8,), torch.int64),
    }
    assert set(batch["label"].tolist()) <= {0, 1, 2}


def test_the_held_out_slab_shares_no_voxel_with_training(mni: MNI152) -> None:
    rng = np.random.default_rng(0)

    def touched(volume: Volume, size: int) -> set[int]:
        starts = {sample_origin(volume, size, rng)[1] for _ in range(300)}
        return {y for start in starts for y in range(start, start + size)}

    trained = [touched(volume, mni.crop_size) for volume in mni.training_volumes()]
    held_out = touched(mni.held_out_volume(), 32)

    assert max(trained[0]) < min(held_out)
    assert max(held_out) < min(trained[1])


def test_probe_is_balanced_reproducible_and_names_each_tissue(mni: MNI152) -> None:
    probe, again = mni.probe_data(), mni.probe_data()

    assert probe.bank.images.shape == (36, 1, 32, 32, 32)
    assert probe.bank.labels.bincount().tolist() == [12, 12, 12]
    assert probe.queries.labels.bincount().tolist() == [8, 8, 8]
    assert torch.equal(probe.queries.images, again.queries.images)


def test_the_probe_asks_about_its_part_of_the_slab_only(mni: MNI152) -> None:
    low, high = (round(share * mni.held_out_volume().image.shape[1]) for share in mni.probe_slab)

    (probed,) = mni.probed_volumes()
    assert (probed.bounds.start[1], probed.bounds.stop[1]) == (low, high)
    assert mni.held_out_volume().bounds.start[1] < low
    assert mni.held_out_volume().bounds.stop[1] == high


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"probe_slab": (0.3, 0.5)}, "probe_slab"),
        ({"probe_slab": (0.54, 0.56)}, "probe_slab"),
        ({"held_out": (0.1, 0.8)}, "held_out"),
        ({"probe_min_share": 1.0}, "probe_min_share"),
        ({"probe_crop": 0}, "probe_crop"),
        ({"probe_queries": 0}, "probe_queries"),
    ],
)
def test_bad_probes_are_named(options: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        MNI152(**options).setup()


def test_crops_without_a_clear_majority_are_passed_over_and_the_rest_resized() -> None:
    bands = np.zeros((3, 8, 8, 24))  # Grey, white and other side by side.
    for tissue in range(3):
        bands[tissue, :, :, 8 * tissue : 8 * tissue + 8] = 1.0
    volume = Volume(bands[0] + 0.5 * bands[1] + 0.2 * bands[2], bands[:2])
    still = Intensity(log_gamma=0.0, log_gain=0.0, shift=0.0, log_bias=0.0)

    crops = labelled_crops([volume], 8, 2, still, seed=0, min_share=0.9, view_size=12)

    assert crops.images.shape == (6, 1, 12, 12, 12)
    assert crops.labels.bincount().tolist() == [2, 2, 2]
    # No crop reaches over a border.
    torch.testing.assert_close(crops.images, torch.zeros(6, 1, 12, 12, 12), atol=1e-4, rtol=0)


def test_majority_tissue() -> None:
    grey, white = np.zeros((2, 2, 2)), np.zeros((2, 2, 2))
    assert majority_tissue(np.stack([grey, white])) == 2
    grey[:, 0], white[:, 1] = 0.9, 0.8
    assert majority_tissue(np.stack([grey, white])) == 0
    white[:, 1] = 1.0
    assert majority_tissue(np.stack([grey, white])) == 1


def test_too_rare_a_tissue_is_named() -> None:
    volume = Volume(np.ones((8, 8, 8)), np.stack([np.ones((8, 8, 8)), np.zeros((8, 8, 8))]))

    with pytest.raises(ValueError, match="white"):
        labelled_crops([volume], 4, 2, MNI152().augment.intensity, seed=0)


def test_crops_stay_in_their_region_and_prefer_foreground() -> None:
    image = np.zeros((20, 20, 20))
    image[:, :, 14:] = 1.0
    volume = Volume(image, region=Region((2, 3, 4), (18, 19, 20)))
    rng = np.random.default_rng(0)
    origins = np.array([sample_origin(volume, 8, rng) for _ in range(200)])

    assert (origins.min(0) >= (2, 3, 4)).all()
    assert (origins.max(0) <= (10, 11, 12)).all()
    assert (origins[:, 2] == 12).mean() > 0.5


def test_holding_out_covers_the_brain() -> None:
    volume = Volume(np.ones((10, 40, 10)))
    regions = hold_out_slab(volume, 0.4, 0.65)

    assert [region.bounds.shape[1] for region in regions] == [16, 10, 14]


def test_the_same_seed_gives_the_same_batches(make_data: MakeData) -> None:
    first, again = (list(make_data(seed=3).train_dataloader()) for _ in range(2))

    assert all(_equal(a, b) for a, b in zip(first, again, strict=True))


def test_another_seed_or_a_later_epoch_gives_other_batches(make_data: MakeData) -> None:
    loader = make_data(seed=3).train_dataloader()
    first, second = list(loader), list(loader)
    other = list(make_data(seed=4).train_dataloader())

    assert [b["sample_id"].tolist() for b in first] == [list(range(i, i + 4)) for i in (0, 4, 8)]
    assert second[0]["sample_id"].tolist() == [12, 13, 14, 15]
    assert not torch.equal(first[0]["global_crops"], second[0]["global_crops"])
    assert not torch.equal(first[0]["global_crops"], other[0]["global_crops"])


def test_seed_everything_seeds_the_stream(
    make_data: MakeData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PL_GLOBAL_SEED", "7")

    assert make_data(seed=None).stream_seed == 7


def test_workers_do_not_change_the_batches(make_data: MakeData) -> None:
    alone, helped = (list(make_data(num_workers=n).train_dataloader()) for n in (0, 2))

    for a, b in zip(alone, helped, strict=True):
        torch.testing.assert_close(a, b)


def test_a_loader_goes_on_where_its_state_was_taken(make_data: MakeData) -> None:
    whole = make_data().train_dataloader()
    batches = [*whole, *whole]
    resumed = make_data().train_dataloader()
    resumed.load_state_dict({"batches_served": 2})
    rest = [*resumed, *resumed]

    assert all(_equal(a, b) for a, b in zip(batches[2:], rest, strict=True))


def test_ranks_share_out_each_global_batch() -> None:
    ranks = [list(StreamSampler(3, 4, num_replicas=2, rank=rank)) for rank in range(2)]

    for batch in range(3):
        part = [ids[4 * batch : 4 * batch + 4] for ids in ranks]
        assert sorted(part[0] + part[1]) == list(range(8 * batch, 8 * batch + 8))


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batches_per_epoch": 0}, "batches_per_epoch"),
        ({"num_workers": -1}, "num_workers"),
        ({"patch_size": 7}, "patch_size"),
        ({"crop_size": 0}, "crop_size"),
        ({"global_views": ViewKind(0, 16, (0.5, 1.0))}, "global_views"),
    ],
)
def test_bad_arguments_are_named(make_data: MakeData, options: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        make_data(**options)
