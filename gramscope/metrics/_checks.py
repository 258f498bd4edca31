"""Argument checks shared by the metrics."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["as_matrix"]


def as_matrix(features: Tensor) -> Tensor:
    """Return ``features`` detached, in float32 or float64, if it is a floating ``[N, D]`` matrix.

    Args:
        features: What the caller passed as features.

    Raises:
        ValueError: If it is anything else.
    """
    if features.ndim != 2 or not features.is_floating_point():
        raise ValueError(
            "Expected `features` to be a floating-point [N, D] matrix, "
            f"but got shape {list(features.shape)} of {features.dtype}."
        )
    features = features.detach()
    return features if features.dtype == torch.float64 else features.float()
