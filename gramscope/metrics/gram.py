"""The gram matrix of a batch of features and the statistics of its off-diagonal."""

from __future__ import annotations

import torch
from torch import Tensor

from gramscope.metrics.rows import COLUMNS, as_matrix, as_square

__all__ = [
    "gram_matrix",
    "offdiag_max",
    "offdiag_mean",
    "offdiag_min",
    "offdiag_std",
    "offdiagonal",
]

_SHORT, _LONG = 1e-12, 1e15
"""Lengths beyond which float32 may lose squares of entries."""


def gram_matrix(features: Tensor) -> Tensor:
    """Cosine similarity of every pair of samples: ``G = Z Z^T`` with ``z = x / ||x||_2``.

    Rows of extreme length are divided by their largest magnitude first, so that no square
    overflows or vanishes on the way.

    Args:
        features: ``[N, D]``, any floating dtype. Half precisions are computed in float32.

    Returns:
        ``[N, N]`` float32 (float64 for float64 input), symmetric, within −1…1.
        A row of zeros has no direction: its similarities, its own included, are 0.
        Rows with NaN or Inf give NaN; drop them first.

    Raises:
        ValueError: If ``features`` is not a floating ``[N, D]`` matrix.

    Example:
        >>> gram_matrix(torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]])).tolist()
        [[1.0, 0.0, -1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 1.0]]
    """
    x = as_matrix(features)
    if x.numel() == 0:
        return x.new_zeros(len(x), len(x))
    x, norm = _moderate(x)
    gram = x.new_zeros(len(x), len(x))
    for columns in x.split(COLUMNS, dim=1):
        z = columns / norm
        gram.addmm_(z, z.T)
    norm = gram.diagonal().sqrt()  # 1, but for what rounding did to the first
    norm = torch.where(norm > 0, norm, 1.0)
    return gram.div_(norm * norm[:, None]).clamp_(-1.0, 1.0)


def _moderate(x: Tensor) -> tuple[Tensor, Tensor]:
    """``x`` with rows whose squares can be added up, and their lengths ``[N, 1]``, 1 for 0."""
    norm = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    extreme = ((norm < _SHORT) | (norm > _LONG)).squeeze(1).nonzero()[:, 0]
    if len(extreme):
        rows = x[extreme]
        peak = rows.abs().amax(dim=1, keepdim=True)
        x = x.index_copy(0, extreme, rows / torch.where(peak > 0, peak, 1.0))
        norm = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    return x, torch.where(norm > 0, norm, 1.0)


def offdiag_mean(gram: Tensor) -> float:
    """Mean cosine similarity of two different samples; 1 under complete collapse.

    Args:
        gram: ``[N, N]`` gram matrix.

    Returns:
        The mean over all ``i != j``; NaN for N < 2, where there is no pair.
    """
    return float(offdiagonal(gram).mean())


def offdiag_std(gram: Tensor) -> float:
    """Population standard deviation of the cosine similarity of two different samples.

    Args:
        gram: ``[N, N]`` gram matrix.

    Returns:
        The standard deviation over all ``i != j``; NaN for N < 2.
    """
    pairs = offdiagonal(gram)
    return float(pairs.std(correction=0)) if pairs.numel() else float("nan")


def offdiag_min(gram: Tensor) -> float:
    """Cosine similarity of the least similar pair of samples; NaN for N < 2."""
    pairs = offdiagonal(gram)
    return float(pairs.min()) if pairs.numel() else float("nan")


def offdiag_max(gram: Tensor) -> float:
    """Cosine similarity of the most similar pair of different samples; NaN for N < 2."""
    pairs = offdiagonal(gram)
    return float(pairs.max()) if pairs.numel() else float("nan")


def offdiagonal(gram: Tensor) -> Tensor:
    """``[N * (N - 1)]`` float64: every entry but the diagonal."""
    n = len(as_square(gram))
    if n < 2:
        return gram.new_empty(0, dtype=torch.float64)
    # Without its last entry the flattened matrix is n - 1 runs of n + 1 that start on the diagonal.
    runs = gram.reshape(-1)[:-1].reshape(n - 1, n + 1)
    return runs[:, 1:].reshape(-1).double()
