"""The gram matrix of a batch of features and the statistics of its off-diagonal."""

from __future__ import annotations

import torch
from torch import Tensor

from gramscope.metrics.rows import COLUMNS, as_matrix, as_square, check_one_each

__all__ = [
    "gram_matrix",
    "negative_similarity",
    "offdiag_max",
    "offdiag_mean",
    "offdiag_min",
    "offdiag_std",
    "offdiagonal",
    "positive_similarity",
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


def positive_similarity(gram: Tensor, sample: Tensor) -> float:
    """Mean cosine similarity of two rows of one sample: its views.

    Args:
        gram: ``[N, N]`` gram matrix. A view that stands in it twice, as a sampler's padding does,
            would be its own partner: leave one out.
        sample: ``[N]`` integers: which rows are of one sample.

    Returns:
        −1 to 1 (views are the same); NaN where no two rows are of one sample.

    Raises:
        ValueError: If ``gram`` is not square, or ``sample`` does not hold one integer for each row.

    Example:
        >>> gram = torch.tensor([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]])
        >>> positive_similarity(gram, torch.tensor([7, 7, 8]))
        0.5
    """
    return _mean_similarity(gram, sample, alike=True)


def negative_similarity(gram: Tensor, sample: Tensor) -> float:
    """Mean cosine similarity of two rows of different samples.

    Args:
        gram: ``[N, N]`` gram matrix.
        sample: See `positive_similarity`.

    Returns:
        −1 to 1 (complete collapse); NaN where all rows are of one sample.

    Raises:
        ValueError: As `positive_similarity`.

    Example:
        >>> gram = torch.tensor([[1.0, 0.5, 0.1], [0.5, 1.0, 0.3], [0.1, 0.3, 1.0]])
        >>> round(negative_similarity(gram, torch.tensor([7, 7, 8])), 6)
        0.2
    """
    return _mean_similarity(gram, sample, alike=False)


def _mean_similarity(gram: Tensor, sample: Tensor, alike: bool) -> float:
    """Mean over pairs of different rows that are of one sample, or that are not."""
    check_one_each("sample", sample, as_square(gram))
    same = sample[:, None] == sample
    pairs = same.fill_diagonal_(False) if alike else ~same
    return float(gram[pairs].double().mean())


def offdiagonal(gram: Tensor) -> Tensor:
    """``[N * (N - 1)]`` float64: every entry but the diagonal."""
    n = len(as_square(gram))
    if n < 2:
        return gram.new_empty(0, dtype=torch.float64)
    # Without its last entry the flattened matrix is n - 1 runs of n + 1 that start on the diagonal.
    runs = gram.reshape(-1)[:-1].reshape(n - 1, n + 1)
    return runs[:, 1:].reshape(-1).double()
