"""Features that every metric is tried on: random, degenerate and real."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from sklearn.datasets import load_digits
from torch import Tensor

Array = npt.NDArray[np.float64]

WRONG_SHAPES = [torch.ones(3), torch.ones(2, 2, 2), torch.ones(2, 2, dtype=torch.int64)]


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """White noise, the same each time."""
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return x.to(dtype)


def noises(count: int, *shape: int, seed: int = 0) -> Tensor:
    """``count`` independent draws of white noise, in float64."""
    return noise(count, *shape, seed=1000 + seed)


@cache
def digits(n: int = 150) -> Tensor:
    """``[n, 64]`` float32: pixels of handwritten digits."""
    return torch.from_numpy(load_digits().data[:n]).float()


@cache
def digit_labels(n: int = 150) -> Tensor:
    """``[n]``: what the digits are."""
    return torch.from_numpy(load_digits().target[:n])


def one_point(n: int, d: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Rows that are all the same, of numbers whose mean rounds."""
    return noise(1, d, seed=7).to(dtype).repeat(n, 1)


def with_spectrum(values: list[float], n: int, d: int) -> Tensor:
    """``[n, d]`` of mean 0 and these singular values."""
    left = noise(n, len(values), seed=1)
    left = torch.linalg.qr(left - left.mean(dim=0)).Q
    right = torch.linalg.qr(noise(d, len(values), seed=2)).Q
    x: Tensor = left * torch.tensor(values, dtype=torch.float64) @ right.T
    return x


FEATURES = {
    "wide": noise(12, 40),
    "tall": noise(40, 12),
    "square": noise(16, 16),
    "two rows": noise(2, 5),
    "one column": noise(9, 1),
    "rank 3": noise(30, 3) @ noise(3, 20, seed=1),
    "offset": noise(20, 8) + 5.0,
    "float32": noise(25, 30, dtype=torch.float32),
    "half": noise(25, 10, dtype=torch.float16),
    "bfloat16": noise(10, 25, dtype=torch.bfloat16),
    "digits": digits(),
}


def array(x: Tensor) -> Array:
    """The same numbers for NumPy, in float64."""
    exact: Array = x.double().numpy()
    return exact
