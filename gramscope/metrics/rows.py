"""The rows of a feature matrix: what they must be, and which of them can be used."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["COLUMNS", "as_matrix", "finite_rows", "nonfinite_rows"]

COLUMNS = 512
"""Columns that wide features are worked on at a time: what is made of them stays in the cache."""


def as_matrix(features: Tensor) -> Tensor:
    """``features`` detached, in float32 or float64, if it is a floating ``[N, D]`` matrix.

    Raises:
        ValueError: If it is anything else.
    """
    if features.ndim != 2 or not features.is_floating_point():
        raise ValueError(
            "Expected `features` to be a floating-point [N, D] matrix, "
            f"but got shape {list(features.shape)} of {features.dtype}."
        )
    features = features.detach()
    return features if features.element_size() == 8 else features.float()


def finite_rows(features: Tensor) -> Tensor:
    """Which rows hold neither NaN nor Inf: ``[N]`` bool for ``[N, D]`` of any floating dtype."""
    x = as_matrix(features)
    norm: Tensor = torch.linalg.vector_norm(x, dim=1)
    finite = norm.isfinite()  # fifty times as fast as every entry's
    doubtful = (~finite).nonzero()[:, 0]
    finite[doubtful] = x[doubtful].isfinite().all(dim=1)  # their squares may only be too large
    return finite


def nonfinite_rows(features: Tensor) -> float:
    """How many rows hold NaN or Inf.

    Args:
        features: ``[N, D]``, any floating dtype.

    Raises:
        ValueError: If ``features`` is not a floating ``[N, D]`` matrix.

    Example:
        >>> nonfinite_rows(torch.tensor([[1.0, 2.0], [float("nan"), 0.0]]))
        1.0
    """
    return float((~finite_rows(features)).sum())
