"""Views: geometry against closed forms, intensities, independence of the batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from project.data.augment import (
    INTENSITY_NUMBERS,
    Intensity,
    MultiCrop,
    ViewKind,
    resampling_matrix,
)

_STILL = Intensity(
    blur_probability=0.0, log_gamma=0.0, log_gain=0.0, shift=0.0, noise=0.0, log_bias=0.0
)


def _generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def _matrix(start: float, length: float, size: int, flip: bool = False, sigma: float = 0.0):
    return resampling_matrix(
        torch.tensor(start), torch.tensor(length), torch.tensor(flip), torch.tensor(sigma), size, 12
    )


def test_a_cut_of_the_same_size_copies_voxels() -> None:
    line = torch.arange(12.0)

    torch.testing.assert_close(_matrix(3.0, 6.0, 6) @ line, line[3:9])
    torch.testing.assert_close(_matrix(3.0, 6.0, 6, flip=True) @ line, line[3:9].flip(0))


def test_enlarging_equals_linear_interpolation() -> None:
    line = torch.rand(12)
    expected = functional.interpolate(line[None, None], size=24, mode="linear")[0, 0]

    torch.testing.assert_close((_matrix(0.0, 12.0, 24) @ line)[2:-2], expected[2:-2])


def test_shrinking_equals_antialiased_interpolation() -> None:
    line = torch.rand(12)
    expected = functional.interpolate(
        line[None, None, None], size=(1, 4), mode="bilinear", antialias=True
    ).flatten()

    torch.testing.assert_close(_matrix(0.0, 12.0, 4) @ line, expected)


@pytest.mark.parametrize("sigma", [0.0, 0.3, 2.0])
def test_a_constant_stays_constant(sigma: float) -> None:
    torch.testing.assert_close(_matrix(1.3, 7.7, 5, sigma=sigma) @ torch.ones(12), torch.ones(5))


def test_blur_smooths() -> None:
    comb = torch.arange(12.0) % 2

    assert (_matrix(0.0, 12.0, 12, sigma=1.0) @ comb).std() < 0.2 * comb.std()


def test_a_view_that_changes_nothing_is_the_standardised_crop() -> None:
    crops = torch.rand(2, 16, 16, 16)
    whole = ViewKind(1, 16, (1.0, 1.0))
    views, _ = MultiCrop(whole, ViewKind(0, 8, (0.1, 0.5)), _STILL, flip_axes=())(
        crops, _generators(0, 1)
    )
    mean = crops.mean((1, 2, 3), keepdim=True)
    std = crops.std((1, 2, 3), keepdim=True)

    torch.testing.assert_close(views[:, 0, 0], (crops - mean) / std, atol=1e-3, rtol=1e-3)


def test_views_are_flipped_along_the_given_axes_only() -> None:
    crops = torch.linspace(0, 1, 8).expand(64, 8, 8, 8)  # Rises along the last axis.
    whole, none = ViewKind(1, 8, (1.0, 1.0)), ViewKind(0, 8, (0.1, 0.5))

    def rising(axes: tuple[int, ...]) -> int:
        views, _ = MultiCrop(whole, none, _STILL, axes)(crops, _generators(*range(64)))
        return int((views[:, 0, 0, 0, 0, -1] > views[:, 0, 0, 0, 0, 0]).sum())

    assert rising((0, 1)) == 64
    assert 16 < rising((2,)) < 48


def test_shapes_and_scale_of_views() -> None:
    augment = MultiCrop(ViewKind(2, 16, (0.5, 1.0)), ViewKind(3, 8, (0.1, 0.5)), Intensity())
    global_views, local_views = augment(torch.rand(4, 20, 20, 20), _generators(0, 1, 2, 3))

    assert global_views.shape == (4, 2, 1, 16, 16, 16)
    assert local_views.shape == (4, 3, 1, 8, 8, 8)
    assert torch.isfinite(global_views).all()
    assert not torch.equal(global_views[:, 0], global_views[:, 1])


def test_views_of_a_crop_do_not_depend_on_the_rest_of_the_batch() -> None:
    augment = MultiCrop(ViewKind(2, 16, (0.5, 1.0)), ViewKind(3, 8, (0.1, 0.5)), Intensity())
    crops = torch.rand(3, 20, 20, 20)
    together, _ = augment(crops, _generators(0, 1, 2))
    alone, _ = augment(crops[2:], _generators(2))

    torch.testing.assert_close(together[2:], alone)


def test_gain_and_offset_of_the_scanner_do_not_matter() -> None:
    images = torch.rand(2, 1, 8, 8, 8)
    nothing = torch.full((2, INTENSITY_NUMBERS), 0.5)

    torch.testing.assert_close(
        Intensity().change(images.clone(), nothing),
        Intensity().change(0.5 * images + 0.2, nothing),
        atol=2e-3,
        rtol=1e-3,
    )


def test_a_bias_field_shades_smoothly_along_each_axis() -> None:
    shading = replace(_STILL, log_bias=0.4)
    numbers = torch.full((1, INTENSITY_NUMBERS), 0.5)
    numbers[:, 3:] = torch.tensor([1.0, 0.5, 0.5, 0.5, 0.0, 0.5])  # Slope at 0, bend at 1.
    place = torch.linspace(-1.0, 1.0, 8)
    field = torch.exp(0.4 * place)[:, None, None] * torch.exp(-0.4 * place.square())[:, None]
    field = field.expand(8, 8, 8)
    expected = (field - field.mean()) / field.std(correction=0)

    torch.testing.assert_close(
        shading.change(torch.full((1, 1, 8, 8, 8), 0.5), numbers)[0, 0], expected
    )


def test_an_empty_view_stays_finite() -> None:
    view = Intensity().change(torch.zeros(1, 1, 8, 8, 8), torch.rand(1, INTENSITY_NUMBERS))

    assert torch.isfinite(view).all()


@pytest.mark.parametrize(
    ("arguments", "name"),
    [((-1, 8, (0.1, 0.5)), "count"), ((1, 0, (0.1, 0.5)), "size"), ((1, 8, (0.5, 0.1)), "scale")],
)
def test_bad_views_are_named(arguments: tuple[int, int, tuple[float, float]], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        ViewKind(*arguments)


def test_bad_flip_axes_are_named() -> None:
    kind = ViewKind(1, 8, (0.5, 1.0))
    with pytest.raises(ValueError, match="flip_axes"):
        MultiCrop(kind, kind, Intensity(), flip_axes=(3,))
