"""Handwritten digits, random views of them, and how well features tell them apart."""

from __future__ import annotations

import math

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn
from torch.nn import functional


class Digits:
    """scikit-learn's 1797 images, three quarters of them to learn from.

    Attributes:
        known: ``[1347, 1, 8, 8]`` float32 from 0 to 1.
        unknown: ``[450, 1, 8, 8]``: what `accuracy` asks for, and no training sees.
    """

    def __init__(self) -> None:
        pixels, digits = load_digits(return_X_y=True)
        images = torch.from_numpy(pixels).float().view(-1, 1, 8, 8) / 16
        split = train_test_split(images, digits, test_size=0.25, stratify=digits, random_state=0)
        self.known, self.unknown, self._known_digits, self._unknown_digits = split

    def accuracy(self, backbone: nn.Module) -> float:
        """Share of the unknown that are of the class of most of their 5 nearest by cosine."""
        backbone.eval()
        with torch.no_grad():
            known, unknown = backbone(self.known), backbone(self.unknown)
        backbone.train()
        neighbours = KNeighborsClassifier(5, metric="cosine").fit(known, self._known_digits)
        return float(neighbours.score(unknown, self._unknown_digits))


def augmented(images: Tensor, random: torch.Generator) -> Tensor:
    """A view of each: up to 20 degrees, a pixel and 40 % of contrast away, under noise of .1.

    Args:
        images: ``[n, 1, 8, 8]``.
        random: What draws are from.
    """
    draws = 2 * torch.rand(4, len(images), generator=random) - 1  # [4, n], from -1 to 1
    angle, (across, down), contrast = draws[0] * math.radians(20), draws[1:3] / 4, draws[3]
    # Coordinates go from -1 to 1: a quarter is one of 8 pixels.
    rows = [angle.cos(), -angle.sin(), across, angle.sin(), angle.cos(), down]
    moves = torch.stack(rows, dim=1).view(-1, 2, 3)
    grid = functional.affine_grid(moves, list(images.shape), align_corners=False)
    moved = functional.grid_sample(images, grid, align_corners=False)
    noise = torch.randn(images.shape, generator=random)
    return moved * (1 + 0.4 * contrast).view(-1, 1, 1, 1) + 0.1 * noise
