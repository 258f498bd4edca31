"""Small encoders of images, of kinds whose features look unlike from the first step on."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["DIM", "ENCODERS", "perceptron"]

DIM = 64
"""Width of features, behind the backbone and behind the head."""


def pooled() -> nn.Module:
    """Means over positions behind batch norm and ReLU, which are never negative."""
    return nn.Sequential(*_stem(), *_block(24, DIM), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def signed() -> nn.Module:
    """Of either sign, and aware of where things are; batch norm."""
    return nn.Sequential(*_stem(), nn.Conv2d(24, DIM, 4), nn.Flatten(), nn.BatchNorm1d(DIM))


class Transformer(nn.Module):
    """The class token of two blocks over 9 patches of 6 x 6 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(1, DIM, 6, 4)
        self.cls = nn.Parameter(0.02 * torch.randn(1, 1, DIM))
        self.position = nn.Parameter(0.02 * torch.randn(1, 10, DIM))
        layer = nn.TransformerEncoderLayer(
            DIM, 4, 2 * DIM, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, 2, nn.LayerNorm(DIM), enable_nested_tensor=False)

    def forward(self, images: Tensor) -> Tensor:
        """``[n, 1, 14, 14]`` to ``[n, DIM]``."""
        patches = self.embed(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls.expand(len(images), -1, -1), patches], dim=1) + self.position
        features: Tensor = self.blocks(tokens)[:, 0]
        return features


class Residual(nn.Module):
    """Two residual blocks with group norm, pooled: no row knows of the others of its batch."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, DIM, 4, 2)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.GroupNorm(8, DIM),
                nn.Conv2d(DIM, DIM, 3, padding=1, groups=8),
                nn.GELU(),
                nn.Conv2d(DIM, DIM, 1),
            )
            for _ in range(2)
        )

    def forward(self, images: Tensor) -> Tensor:
        """``[n, 1, 14, 14]`` to ``[n, DIM]``."""
        maps: Tensor = self.stem(images)
        for block in self.blocks:
            maps = maps + block(maps)
        return maps.mean(dim=(2, 3))


ENCODERS: dict[str, Callable[[], nn.Module]] = {
    "pooled": pooled,
    "signed": signed,
    "transformer": Transformer,
    "residual": Residual,
}


def perceptron(hidden: int, out: int = DIM, norm: bool = True) -> nn.Module:
    """A projection ``[n, DIM]`` to ``[n, out]``."""
    middle = [nn.BatchNorm1d(hidden), nn.ReLU()] if norm else [nn.GELU()]
    return nn.Sequential(nn.Linear(DIM, hidden), *middle, nn.Linear(hidden, out))


def _stem() -> list[nn.Module]:
    return [*_block(1, 12, stride=2), *_block(12, 24, stride=2)]


def _block(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
