"""From the gathered rows of a step to its matrix and its numbers."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gramscope import metrics
from gramscope.diagnosis import NUMBERS
from gramscope.events import Matrix

__all__ = ["measure"]


def measure(
    features: Tensor, rank: Tensor, index: Tensor, *, spectrum: bool
) -> tuple[Matrix | None, dict[str, float]]:
    """Measure what the table of numbers lists.

    Args:
        features: ``[N, D]`` float32 or float64, the rows of all ranks.
        rank: ``[N]`` int32.
        index: ``[N]`` int32, see `Matrix`.
        spectrum: Whether the matrix is to be kept with its spectrum.

    Returns:
        The matrix of the rows that are finite, ``None`` if there are none; and the numbers that
        have a value at this N, by name.
    """
    finite = metrics.finite_rows(features)  # [N]
    rows = features if finite.all() else features[finite]
    if not len(rows):
        return None, {}
    given = {"features": features, "gram": metrics.gram_matrix(rows)}
    values = {n.name: getattr(metrics, n.name)(given[n.needs]) for n in NUMBERS.values()}
    matrix = Matrix(
        _float32(given["gram"]),
        rank[finite].numpy(),
        index[finite].numpy(),
        _float32(metrics.singular_values(rows)) if spectrum else None,
    )
    return matrix, {name: value for name, value in values.items() if math.isfinite(value)}


def _float32(tensor: Tensor) -> npt.NDArray[np.float32]:
    array: npt.NDArray[np.float32] = tensor.to(torch.float32).numpy()
    return array
