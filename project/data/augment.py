"""DINOv2's multi-crop augmentation in 3D, on a whole batch at once.

Cropping, resizing, flipping and blurring are linear and act on each axis alone,
so a view is three small matrix products instead of four passes over its voxels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["INTENSITY_NUMBERS", "Intensity", "MultiCrop", "ViewKind", "resampling_matrix"]

_AXES = 3

INTENSITY_NUMBERS = 3 + 2 * _AXES
"""Uniform numbers that `Intensity.change` takes: contrast, gain, offset; bias field."""

# Uniform numbers per view: size, place and flip on each axis, blur or not and how much,
# changes of intensity, noise.
_NUMBERS = 1 + 2 * _AXES + 2 + INTENSITY_NUMBERS + 1


@dataclass(frozen=True)
class ViewKind:
    """How one kind of view is cut out of a crop.

    Attributes:
        count: Views of this kind from each crop.
        size: Edge length of a view in voxels.
        scale: Smallest and largest share of the crop's volume that a view covers.
    """

    count: int
    size: int
    scale: tuple[float, float]

    def __post_init__(self) -> None:
        low, high = self.scale
        if self.count < 0:
            raise ValueError(f"Expected `count` to be at least 0, but got {self.count}")
        if self.size < 1:
            raise ValueError(f"Expected `size` to be at least 1, but got {self.size}")
        if not 0.0 < low <= high <= 1.0:
            raise ValueError(
                f"Expected `scale` to satisfy 0 < low <= high <= 1, but got {self.scale}"
            )


@dataclass(frozen=True)
class Intensity:
    """Ranges of the intensity changes, drawn anew for each view.

    An MR image has no absolute unit: gain, offset and contrast depend on scanner and sequence,
    and the coil's sensitivity shades the image smoothly.
    So each view is shaded, its contrast changed and then standardised, and gain and offset come
    last, in units of its standard deviation.

    Attributes:
        blur_probability: Share of the views that are blurred.
        blur_sigma: Smallest and largest standard deviation of the blur, in view voxels.
        log_gamma: Largest absolute natural logarithm of the contrast exponent.
        log_gain: Largest absolute natural logarithm of the gain.
        shift: Largest absolute offset.
        noise: Largest standard deviation of the Gaussian noise.
        log_bias: Strength of the bias field, a smooth factor over the view: along each axis
            its natural logarithm changes by at most twice this from edge to edge, and bends by
            at most this.
    """

    blur_probability: float = 0.5
    blur_sigma: tuple[float, float] = (0.3, 1.0)
    log_gamma: float = 0.5
    log_gain: float = 0.2
    shift: float = 0.2
    noise: float = 0.1
    log_bias: float = 0.4

    def change(self, views: Tensor, numbers: Tensor) -> Tensor:
        """Apply a bias field, change contrast, standardise, change gain and offset.

        Args:
            views: `[…, 1, S, S, S]` intensities in 0…1; overwritten.
            numbers: `[…, INTENSITY_NUMBERS]` in 0…1, where in its range each change lies;
                0.5 is no change.

        Returns:
            `[…, 1, S, S, S]`, the same memory as `views`.
        """
        numbers = 2 * numbers - 1
        gamma, gain, shift = numbers[..., :3, None, None, None, None].unbind(-5)
        views = views.clamp_(min=1e-4)
        if self.log_bias:
            for profile in self._bias(numbers[..., 3:], views.shape[-1]):
                views = views.mul_(profile)
        views = views.pow_(torch.exp(gamma * self.log_gamma))
        std, mean = torch.std_mean(views, dim=(-3, -2, -1), correction=0, keepdim=True)
        # Less than this is noise in an empty view, and is left small.
        scale = torch.exp(gain * self.log_gain) / std.clamp(min=0.05)
        return views.sub_(mean).mul_(scale).add_(shift * self.shift)

    def _bias(self, numbers: Tensor, size: int) -> Iterator[Tensor]:
        """Yield the factors of the bias field, one per axis, that broadcast over views."""
        place = torch.linspace(-1.0, 1.0, size)
        slope, bend = numbers.unflatten(-1, (2, _AXES, 1)).unbind(-3)  # […, 3, 1] each
        profiles = torch.exp(self.log_bias * (slope * place + bend * place.square()))  # […, 3, S]
        for axis, profile in enumerate(profiles.unbind(-2)):
            shape = [1] * _AXES
            shape[axis] = size
            yield profile.unflatten(-1, shape).unsqueeze(-4)

    def rescan(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Give each of `[N, 1, S, S, S]` images a random bias field, contrast, gain and offset."""
        numbers = torch.rand(len(images), INTENSITY_NUMBERS, generator=generator)
        return self.change(images.clone(), numbers)


class MultiCrop:
    """Turn crops into global and local views.

    Args:
        global_views: Kind of the views that teacher and student see.
        local_views: Kind of the views that only the student sees.
        intensity: Intensity changes.
        flip_axes: Axes along which half of the views are mirrored.

    Raises:
        ValueError: If an axis is not 0, 1 or 2.
    """

    def __init__(
        self,
        global_views: ViewKind,
        local_views: ViewKind,
        intensity: Intensity,
        flip_axes: Sequence[int] = (0,),
    ) -> None:
        if not set(flip_axes) <= set(range(_AXES)):
            raise ValueError(f"Expected `flip_axes` among 0, 1 and 2, but got {flip_axes}")
        self.global_views = global_views
        self.local_views = local_views
        self.intensity = intensity
        self._flip_chance = torch.tensor(
            [0.5 if axis in flip_axes else 0.0 for axis in range(_AXES)]
        )

    def __call__(
        self, crops: Tensor, generators: Sequence[torch.Generator]
    ) -> tuple[Tensor, Tensor]:
        """Augment a batch.

        Each crop brings its own generator, so its views do not depend on
        which other crops share the batch, the worker or the rank.

        Args:
            crops: `[B, C, C, C]` float32 intensities in 0…1.
            generators: `B` sources of randomness.

        Returns:
            Global views `[B, V, 1, S, S, S]` and local views `[B, L, 1, s, s, s]`, float32.
        """
        return (
            self._views(crops, self.global_views, generators),
            self._views(crops, self.local_views, generators),
        )

    def _views(
        self, crops: Tensor, kind: ViewKind, generators: Sequence[torch.Generator]
    ) -> Tensor:
        batch, extent = crops.shape[0], crops.shape[-1]
        if kind.count == 0:
            return crops.new_empty(batch, 0, 1, kind.size, kind.size, kind.size)
        numbers = torch.empty(batch, kind.count, _NUMBERS)
        noise = torch.empty(batch, kind.count, 1, kind.size, kind.size, kind.size)
        for row, generator in enumerate(generators):
            numbers[row].uniform_(generator=generator)
            noise[row].normal_(generator=generator)
        size, place, flip, blur, blur_sigma, changes, noise_level = numbers.split(
            (1, _AXES, _AXES, 1, 1, INTENSITY_NUMBERS, 1), dim=-1
        )

        low, high = kind.scale
        length = (low + size * (high - low)).pow(1 / _AXES) * extent  # [B, V, 1]
        start = place * (extent - length)  # [B, V, 3]
        sigma = torch.where(
            blur < self.intensity.blur_probability,
            _between(blur_sigma, self.intensity.blur_sigma),
            0.0,
        )
        resample = resampling_matrix(
            start,
            length.expand_as(start),
            flip < self._flip_chance,
            sigma.expand_as(start),
            kind.size,
            extent,
        )  # [B, V, 3, S, C]
        views = _resample(crops, resample).unsqueeze(2)  # [B, V, 1, S, S, S]
        views = self.intensity.change(views, changes)
        return views.addcmul_(noise, noise_level[..., None, None, None] * self.intensity.noise)


def resampling_matrix(
    start: Tensor, length: Tensor, flip: Tensor, sigma: Tensor, size: int, extent: int
) -> Tensor:
    """Crop, resize, flip and blur along one axis as a matrix.

    Args:
        start: `[…]` first edge of the interval to keep, in voxels of the crop.
        length: `[…]` length of the interval.
        flip: `[…]` bool, reverse the result.
        sigma: `[…]` standard deviation of a Gaussian blur in voxels of the result, 0 for none.
        size: Voxels in the result.
        extent: Voxels in the crop.

    Returns:
        `[…, size, extent]` float32 whose rows sum to 1: antialiased linear interpolation,
        or a Gaussian where `sigma` asks for more.
    """
    step = (length / size)[..., None, None]
    target = torch.arange(size, dtype=start.dtype)
    target = torch.where(flip[..., None], size - 1 - target, target)  # [..., size]
    centre = start[..., None] + (target + 0.5) * step.squeeze(-1)
    source = torch.arange(extent, dtype=start.dtype) + 0.5
    distance = centre[..., None] - source  # [..., size, extent]
    # A voxel wide at least, so that enlarging interpolates;
    # a step wide, so that shrinking averages.
    width = step.clamp(min=1.0)
    triangle = (1.0 - distance.abs() / width).clamp(min=0.0)
    deviation = (sigma[..., None, None] * step).clamp(min=0.4)
    gaussian = torch.exp(-0.5 * (distance / deviation).square())
    weight = torch.where(sigma[..., None, None] > 0, gaussian, triangle)
    return weight / weight.sum(dim=-1, keepdim=True)


def _resample(crops: Tensor, matrices: Tensor) -> Tensor:
    """Apply `[B, V, 3, S, C]` matrices to `[B, C, C, C]` crops, giving `[B, V, S, S, S]`."""
    batch, views, _, size, extent = matrices.shape
    rows, columns, slices = matrices.unbind(dim=2)  # [B, V, S, C] each
    # The first product serves all views of a crop at once.
    out = rows.reshape(batch, views * size, extent) @ crops.reshape(batch, extent, -1)
    out = out.view(batch, views, size, extent, extent)
    out = columns.unsqueeze(2) @ out  # [B, V, S, S, C]
    out = out.reshape(batch, views, size * size, extent) @ slices.transpose(-1, -2)
    return out.view(batch, views, size, size, size)


def _between(number: Tensor, bounds: tuple[float, float]) -> Tensor:
    low, high = bounds
    return low + number * (high - low)
