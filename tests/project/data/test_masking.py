"""Block masks: exact in number, compact in shape."""

from __future__ import annotations

import random

import pytest
import torch

from project.data.masking import MaskSampler, block_mask


@pytest.mark.parametrize("count", [1, 7, 20, 32, 64])
def test_a_mask_has_exactly_the_asked_number_of_patches(count: int) -> None:
    for seed in range(20):
        assert block_mask(4, count, random.Random(seed)).sum() == count


def test_masked_patches_touch_more_often_than_scattered_ones() -> None:
    rng = random.Random(0)

    def contacts(mask: torch.Tensor) -> int:
        cube = mask.view(6, 6, 6)
        pairs = [cube.narrow(d, 0, 5) & cube.narrow(d, 1, 5) for d in range(3)]
        return sum(int(p.sum()) for p in pairs)

    blocks = sum(contacts(block_mask(6, 60, rng)) for _ in range(20))
    scattered = sum(contacts(torch.randperm(216) < 60) for _ in range(20))

    assert blocks > 1.5 * scattered


def test_ratio_bounds_hold_and_one_of_two_views_is_masked() -> None:
    sample = MaskSampler(4, probability=0.5, ratio=(0.1, 0.5))
    counts = torch.stack([sample(2, random.Random(s)).sum(dim=1) for s in range(200)])  # [200, 2]
    masked = counts[counts > 0].float() / 64

    assert ((counts > 0).sum(dim=1) == 1).all()
    assert 60 < (counts[:, 0] > 0).sum() < 140
    assert masked.min() >= 0.09
    assert masked.max() <= 0.5
    assert masked.mean() == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize(("probability", "views"), [(0.0, 0), (1.0, 2)])
def test_no_view_or_every_view(probability: float, views: int) -> None:
    masks = MaskSampler(4, probability, (0.1, 0.5))(2, random.Random(0))

    assert masks.any(dim=1).sum() == views


@pytest.mark.parametrize(
    ("probability", "ratio", "name"),
    [(1.5, (0.1, 0.5), "mask_probability"), (0.5, (0.5, 0.1), "mask_ratio")],
)
def test_bad_arguments_are_named(probability: float, ratio: tuple[float, float], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        MaskSampler(4, probability, ratio)
