"""Small convolutional encoders of 8 x 8 images, and what learning puts on top of them."""

from __future__ import annotations

from torch import nn

DIM = 64
"""Width of features, behind the backbone and behind the head."""


def pooled() -> nn.Module:
    """``[n, 1, 8, 8]`` to ``[n, DIM]``: means of rectified maps, which are never negative."""
    return nn.Sequential(*_stem(), *_block(32, DIM), nn.AvgPool2d(4), nn.Flatten())


def signed() -> nn.Module:
    """``[n, 1, 8, 8]`` to ``[n, DIM]``: of either sign, and aware of where things are."""
    return nn.Sequential(*_stem(), nn.Conv2d(32, DIM, 4), nn.Flatten())


def head() -> nn.Module:
    """The projection, ``[n, DIM]`` to ``[n, DIM]``, which the losses see."""
    return _perceptron(128)


def predictor() -> nn.Module:
    """SimSiam's, ``[n, DIM]`` to ``[n, DIM]``: a quarter as wide in the middle, as its authors'."""
    return _perceptron(DIM // 4)


def _stem() -> list[nn.Module]:
    return [*_block(1, 16), *_block(16, 32, stride=2)]


def _block(inputs: int, outputs: int, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


def _perceptron(hidden: int) -> nn.Module:
    inner = [nn.Linear(DIM, hidden), nn.BatchNorm1d(hidden), nn.ReLU()]
    return nn.Sequential(*inner, nn.Linear(hidden, DIM))
