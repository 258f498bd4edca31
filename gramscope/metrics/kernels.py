"""How alike two representations of the same samples are, by their N x N products."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gramscope.metrics.gram import gram_matrix
from gramscope.metrics.rows import COLUMNS, as_pair, as_square, centred

__all__ = ["alignment_of", "distance_of", "gram_distance", "hsic", "linear_cka", "product"]


def product(x: Tensor) -> Tensor:
    """``X X^T`` of the centred rows of ``x`` (float32 or float64): ``[N, N]`` float64."""
    gram = x.new_zeros(len(x), len(x), dtype=torch.float64)
    for columns in x.split(COLUMNS, dim=1):
        columns = centred(columns)
        gram.addmm_(columns, columns.T)
    return gram


def hsic(k: Tensor, m: Tensor) -> float:
    """Unbiased estimator of the Hilbert-Schmidt independence criterion of two kernels.

    Song et al., JMLR 13 (2012), eq. 5. With linear kernels it estimates ``||C_ab||_F^2``, C_ab the
    covariance of the two representations.

    Args:
        k: ``[N, N]``, symmetric.
        m: ``[N, N]``, symmetric, of the same samples.

    Returns:
        Any value, also below 0 where there is little in common; NaN for N < 4.

    Raises:
        ValueError: If the two are not square, or of different sizes.
    """
    n = len(as_square(k, "k"))
    if len(as_square(m, "m")) != n:
        raise ValueError(
            f"Expected two kernels of the same samples, but got shapes {list(k.shape)} and "
            f"{list(m.shape)}."
        )
    if n < 4:
        return math.nan
    k, m = (x.double().clone().fill_diagonal_(0.0) for x in (k, m))
    value = (k * m).sum() + k.sum() * m.sum() / ((n - 1) * (n - 2))
    value = value - 2.0 / (n - 2) * (k.sum(dim=0) @ m.sum(dim=0))
    return float(value) / (n * (n - 3))


def linear_cka(x: Tensor, y: Tensor) -> float:
    """Centred kernel alignment of two representations of the same samples, debiased.

    ``HSIC(XX^T, YY^T) / sqrt(HSIC(XX^T, XX^T) HSIC(YY^T, YY^T))`` with Song's estimator in each
    place. Kornblith et al., ICML 2019. (The biased form scores .96 for independent noise at
    N = 32, D = 768; this one 0 +- .05.)

    Args:
        x: ``[N, D]``, any floating dtype.
        y: ``[N, E]``: another representation, row by row of the same samples.

    Returns:
        1 (the same up to rotation, shift and scale) to about 0, also a little below; NaN for
        N < 4, or where either has no variance.

    Raises:
        ValueError: If the two do not have as many rows.

    Example:
        >>> x = torch.randn(32, 5)
        >>> round(linear_cka(x, 3 * x.flip(1) + 1), 4)
        1.0
    """
    x, y = as_pair(x, y, same_width=False)
    k, m = product(x), product(y)
    return alignment_of(k, m, between=hsic(k, m))


def alignment_of(k: Tensor, m: Tensor, between: float) -> float:
    """Normalise the `hsic` of two kernels by that of each with itself; NaN if one has none."""
    own = hsic(k, k), hsic(m, m)
    return between / (math.sqrt(own[0]) * math.sqrt(own[1])) if min(own) > 0 else math.nan


def gram_distance(x: Tensor, y: Tensor) -> float:
    """Root mean square difference of two gram matrices of the same samples: ``||G - H||_F / N``.

    Its square is the gram loss of DINOv3 (2025).

    Args:
        x: ``[N, D]``, any floating dtype.
        y: ``[N, E]``: another representation, row by row of the same samples.

    Returns:
        0 (the same similarities) to 2; NaN without rows.

    Raises:
        ValueError: If the two do not have as many rows.

    Example:
        >>> round(gram_distance(torch.eye(2), torch.ones(2, 2)), 4)
        0.7071
    """
    x, y = as_pair(x, y, same_width=False)
    return distance_of(gram_matrix(x), gram_matrix(y))


def distance_of(gram: Tensor, other: Tensor) -> float:
    """`gram_distance` of two gram matrices ``[N, N]`` of the same samples."""
    difference = gram.double() - other.double()
    return float(torch.linalg.matrix_norm(difference)) / len(gram) if len(gram) else math.nan
