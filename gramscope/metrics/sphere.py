"""How features lie on the unit sphere: rows are divided by their length first, in float64."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gramscope.metrics.gram import gram_matrix, offdiagonal
from gramscope.metrics.rows import as_matrix, as_pair, centred
from gramscope.metrics.spectrum import singular_values

__all__ = [
    "UnitRows",
    "alignment",
    "feature_std",
    "spread",
    "uniformity",
    "uniformity_w2",
    "uniformity_w2_floor",
    "unit_rows",
]


@dataclass(frozen=True)
class UnitRows:
    """Rows that have length 1 already; every function of this module takes them as well."""

    rows: Tensor
    """``[N, D]`` float64."""

    def __len__(self) -> int:
        """How many there are."""
        return len(self.rows)


def unit_rows(features: Tensor | UnitRows) -> Tensor:
    """``z = x / ||x||_2``: ``[N, D]`` float64; a row of zeros stays one.

    Raises:
        ValueError: If ``features`` is not a floating ``[N, D]`` matrix.
    """
    if isinstance(features, UnitRows):
        return features.rows
    x = as_matrix(features).double()
    peak = x.abs().amax(dim=1, keepdim=True) if x.numel() else x.new_ones(len(x), 1)
    x = x / torch.where(peak > 0, peak, 1.0)  # no square overflows or vanishes
    norm = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    return x / torch.where(norm > 0, norm, 1.0)


def spread(features: Tensor | UnitRows) -> float:
    """Variance of the unit vectors: ``1 - ||mean z||^2``.

    The squared and pooled form of the standard deviation that Chen & He watch (SimSiam, CVPR
    2021). Equals ``1 - ((N - 1) offdiag_mean + 1) / N``. With rows of zeros, which have no
    direction, ``1 - ||mean z||^2 / mean ||z||^2``.

    Args:
        features: ``[N, D]``, any floating dtype.

    Returns:
        0 (all samples are one point) to 1; NaN without rows.

    Example:
        >>> spread(torch.tensor([[1.0, 0.0], [-2.0, 0.0]]))
        1.0
    """
    z = unit_rows(features)
    if not len(z):
        return math.nan
    # Summed about the mean: near collapse the difference of two near ones has no digits left.
    lengths = z.square().sum(dim=1).mean()
    around = centred(z).square().sum(dim=1).mean()
    return float(around / torch.where(lengths == 0, 1.0, lengths))


def feature_std(features: Tensor | UnitRows) -> float:
    """Standard deviation of a unit vector's entries, mean over dimensions, times ``sqrt(D)``.

    Chen & He, "SimSiam", CVPR 2021, section 4.1. Blind to dimensional collapse: a generic line
    scores .80, ``sqrt(2 / pi)``. With the population's deviation its square is at most `spread`.

    Args:
        features: ``[N, D]``, any floating dtype.

    Returns:
        0 (one point) to 1 (isotropic); NaN without rows.

    Example:
        >>> round(feature_std(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])), 4)
        0.7071
    """
    z = unit_rows(features)
    return (
        float(z.std(dim=0, correction=0).mean()) * math.sqrt(z.shape[1]) if z.numel() else math.nan
    )


def uniformity(features: Tensor, *, gram: Tensor | None = None) -> float:
    """Logarithm of the mean Gaussian potential of two different samples.

    ``log E exp(-2 ||z_i - z_j||^2)``, ``i != j``. Wang & Isola, ICML 2020, eq. 2 with t = 2. Of
    several views, take the mean over views: two views of one sample are no pair of samples.

    Args:
        features: ``[N, D]``, any floating dtype, of one view.
        gram: Their `gram_matrix`, if it is there.

    Returns:
        -4N / (N - 1) to 0 (one point), about -4 where isotropic; NaN for N < 2.

    Example:
        >>> round(uniformity(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])), 6)
        -8.0
    """
    pairs = offdiagonal(gram_matrix(features) if gram is None else gram)
    if not len(pairs):
        return math.nan
    return float((-4.0 * (1.0 - pairs)).logsumexp(0)) - math.log(len(pairs))


def uniformity_w2(features: Tensor | UnitRows) -> float:
    """Wasserstein distance of the unit vectors to the isotropic Gaussian of variance 1/D.

    ``sqrt(||m||^2 + 1 + tr S - (2 / sqrt D) tr sqrt(S))``, of the mean m and the covariance S of
    the unit vectors, which is ``sqrt(2 - (2 / sqrt D) sum sqrt(l))``. Fang et al., ICLR 2024.

    Args:
        features: ``[N, D]``, any floating dtype.

    Returns:
        `uniformity_w2_floor` (1.09 for 128 x 768, where white noise scores 1.10) to ``sqrt 2``
        (one point); NaN without rows.
    """
    z = unit_rows(features)
    if not z.numel():
        return math.nan
    n, dim = z.shape
    roots = float(singular_values(z).sum()) / math.sqrt(n)
    return math.sqrt(max(2.0 - 2.0 / math.sqrt(dim) * roots, 0.0))


def uniformity_w2_floor(n: int, dim: int) -> float:
    """The least `uniformity_w2` that so few rows can have: ``sqrt(2 - 2 sqrt(r / D))``.

    Their mean is then 0 and they vary alike in all r = min(N - 1, D) directions.

    Args:
        n: Rows.
        dim: Columns.

    Returns:
        0 (for N > D) to ``sqrt 2``; NaN without rows or columns.

    Example:
        >>> round(uniformity_w2_floor(128, 768), 3)
        1.089
    """
    if n < 1 or dim < 1:
        return math.nan
    return math.sqrt(2.0 - 2.0 * math.sqrt(min(n - 1, dim) / dim))


def alignment(a: Tensor, b: Tensor) -> float:
    """Mean squared distance of two views of a sample, of unit length: ``E ||z_a - z_b||^2``.

    Wang & Isola, ICML 2020, eq. 1 with alpha = 2.

    Args:
        a: ``[n, D]``, any floating dtype: one view of each sample.
        b: ``[n, D]``: another view of the same samples, in the same order.

    Returns:
        0 (views are alike) to 4; NaN without rows.

    Raises:
        ValueError: If the views do not have the same shape.

    Example:
        >>> alignment(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 3.0]]))
        2.0
    """
    a, b = as_pair(a, b)
    return float((unit_rows(a) - unit_rows(b)).square().sum(dim=1).mean()) if len(a) else math.nan
