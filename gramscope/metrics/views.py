"""What views of the same samples have in common: numbers that need to know which rows are views.

Views of one crop type are meant, and rows as they are to be compared: `standard` gives them length
1 first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import torch
from torch import Tensor

from gramscope.metrics.kernels import alignment_of, hsic
from gramscope.metrics.rows import COLUMNS, as_matrix, as_pair, centred
from gramscope.metrics.spectrum import ONE_POINT

__all__ = [
    "Pair",
    "lidar",
    "pair",
    "shared_rank",
    "shared_rank_parts",
    "view_cka",
    "view_correlation",
    "view_correlation_z",
]

ROUNDING = 1e-12
"""Share of the largest eigenvalue below which one is rounding."""
RESOLVED = 0.1
"""`view_cka` below which `shared_rank` says nothing; from it on 82 % are within a factor of 2."""


@dataclass(frozen=True)
class Pair:
    """The products of two views' centred rows; every function of two views takes one as well."""

    own: tuple[Tensor, Tensor]
    """``A A^T`` and ``B B^T``, each ``[n, n]`` float64."""
    cross: Tensor
    """``A B^T``: ``[n, n]`` float64."""

    @cached_property
    def hsic(self) -> float:
        """Song's estimator of ``||C_ab||_F^2``; NaN for n < 4."""
        return hsic(*self.own)

    @cached_property
    def cka(self) -> float:
        """See `view_cka`."""
        return alignment_of(*self.own, between=self.hsic)


def pair(a: Tensor | Pair, b: Tensor | None = None) -> Pair:
    """The products of two views, computed once; a pair that is given is given back.

    Args:
        a: ``[n, D]``, any floating dtype.
        b: ``[n, D]``: another view of the same samples, row by row.

    Raises:
        ValueError: If the views do not have the same shape, or one is missing.
    """
    if isinstance(a, Pair):
        return a
    if b is None:
        raise ValueError("Expected two views of the samples, but got one.")
    a, b = as_pair(a, b)
    n = len(a)
    products = torch.cat([a, b]).new_zeros(2 * n, 2 * n, dtype=torch.float64)
    for x, y in zip(a.split(COLUMNS, dim=1), b.split(COLUMNS, dim=1), strict=True):
        both = torch.cat([centred(x), centred(y)])
        products.addmm_(both, both.T)
    return Pair((products[:n, :n], products[n:, n:]), products[:n, n:])


def view_correlation(*views: Tensor) -> float:
    """Share of variance that views of a sample have in common: ``tr C_ab / tr C``.

    C_ab is the cross-covariance of two views (each centred), C the mean of their covariances: the
    intraclass correlation ICC(3, 1) (McGraw & Wong 1996), summed over dimensions. With more than
    two views the ratio of means over pairs.

    Args:
        views: Two or more of ``[n, D]``, any floating dtype, row by row of the same samples.

    Returns:
        About 0 under independent noise (it is unbiased, and may fall below) to 1, where views are
        the same; NaN for n < 2 or without variance. Untrained nets score low.

    Raises:
        ValueError: If the views differ in shape, or there is only one.

    Example:
        >>> a = torch.randn(8, 3)
        >>> round(view_correlation(a, a + 1), 6)
        1.0
    """
    if len(views) < 2:
        raise ValueError(f"Expected two views of the samples or more, but got {len(views)}.")
    for other in views[1:]:
        as_pair(views[0], other)
    if len(views[0]) < 2:
        return math.nan
    about = [centred(as_matrix(view)) for view in views]
    pairs = [float((a * b).sum()) for a, b in combinations(about, 2)]
    own = sum(float(x.square().sum()) for x in about) / len(about)
    return sum(pairs) / len(pairs) / own if own > 0 else math.nan


def view_correlation_z(a: Tensor | Pair, b: Tensor | None = None) -> float:
    """`view_correlation` in standard deviations of what independent views would score.

    That deviation is ``sqrt(tr(C_aa C_bb) / (n - 1)) / tr C``: large where features lie on a line.

    Args:
        a: ``[n, D]``, any floating dtype, or the `Pair` of both views.
        b: ``[n, D]``: another view of the same samples.

    Returns:
        About 0 +- 1 where views have nothing in common; NaN as `view_correlation`.
    """
    cross = pair(a, b).cross
    if len(cross) < 2:
        return math.nan
    # tr(C_aa C_bb) is the squared norm of A B^T, whose n x n products are at hand for any D.
    null = float(torch.linalg.matrix_norm(cross)) / math.sqrt(len(cross) - 1)
    return float(cross.trace()) / null if null > 0 else math.nan


def view_cka(a: Tensor | Pair, b: Tensor | None = None) -> float:
    """`linear_cka` of two views of the same samples: whether `shared_rank` is resolved.

    Args:
        a: ``[n, D]``, any floating dtype, or the `Pair` of both views.
        b: ``[n, D]``: another view of the same samples.
    """
    return pair(a, b).cka


def shared_rank(a: Tensor | Pair, b: Tensor | None = None) -> float:
    """In how many directions views of a sample agree: a participation ratio of the signal alone.

    ``(T^2 - s^2 / n) / HSIC(AA^T, BB^T)``, with
    ``t_i = (a_i - mean a) . (b_i - mean b) n / (n - 1)``, T their mean, ``s^2`` their variance, and
    Song's unbiased HSIC: both parts free of the bias that keeps the plain ratio at 1 where n is
    small. Two-repeat participation ratio, Chun et al. 2026 (arXiv 2509.26560).

    Args:
        a: ``[n, D]``, any floating dtype, or the `Pair` of both views.
        b: ``[n, D]``: another view of the same samples.

    Returns:
        About 1 (they agree on a line) and up; NaN where it is not resolved, with a `view_cka` below
        .1 or n < 4.

    Raises:
        ValueError: If the views do not have the same shape.
    """
    both = pair(a, b)
    above, below = shared_rank_parts(both)
    return above / below if below > 0 and both.cka >= RESOLVED else math.nan


def shared_rank_parts(a: Tensor | Pair, b: Tensor | None = None) -> tuple[float, float]:
    """Numerator and denominator of `shared_rank`; sums over events resolve what one does not."""
    both = pair(a, b)
    n = len(both.cross)
    if n < 4:
        return math.nan, math.nan
    t = both.cross.diagonal() * (n / (n - 1))
    return float(t.mean().square() - t.var(correction=1) / n), both.hsic


def lidar(views: Tensor, delta: float = 1e-4) -> float:
    """Effective rank of what tells samples apart beside what tells views of a sample apart.

    Exponential of the entropy of the eigenvalues of ``W^-1/2 B W^-1/2``, B the covariance of the
    samples' means, ``W = delta I +`` the mean covariance of a sample's views. Thilak et al.,
    "LiDAR", ICLR 2024. Delta is absolute, so that scaling the features changes the value; noise
    alone scores high (55 at 64 pairs and D = 300).

    Args:
        views: ``[n, V, D]``, any floating dtype: V views of each sample.
        delta: Added to the diagonal of W.

    Returns:
        1 to min(D, n - 1); 0 where samples differ by no more than 1e-10 of the squared lengths;
        NaN for n < 2 or V < 2, and with entries that are NaN, Inf or too large to square.

    Raises:
        ValueError: If ``views`` is not a floating ``[n, V, D]`` tensor.
    """
    if views.ndim != 3 or not views.is_floating_point():
        raise ValueError(
            f"Expected `views` to be a floating-point [n, V, D] tensor, but got shape "
            f"{list(views.shape)} of {views.dtype}."
        )
    n, count, _ = views.shape
    if n < 2 or count < 2:
        return math.nan
    rows = views.detach().flatten(0, 1).double()
    lengths = rows.square().sum()
    if not lengths.isfinite():
        return math.nan
    x = centred(rows).unflatten(0, (n, count))
    means = x.mean(dim=1)
    between = means - means.mean(dim=0)  # [n, D]
    if count * between.square().sum() <= ONE_POINT * lengths:
        return 0.0
    noise, axes = _principal(_contrasts(x) / math.sqrt(n * (count - 1)))
    inside = between @ axes
    outside = between - inside @ axes.T
    # The same eigenvalues but for zeros, of n x n products: D may be 65,536.
    products = (inside / (noise + delta)) @ inside.T + outside @ outside.T / delta
    values = torch.linalg.eigvalsh(products).clamp(min=0.0)
    return math.exp(float(torch.special.entr(values / values.sum()).sum()))


def _contrasts(x: Tensor) -> Tensor:
    """``[n (V - 1), D]``: what tells the V views of a sample apart, of ``[n, V, D]``."""
    count = x.shape[1]
    apart = torch.eye(count, dtype=x.dtype)[:, 1:] - 1 / count
    return torch.einsum("nvd,vc->ncd", x, torch.linalg.qr(apart).Q).flatten(0, 1)


def _principal(x: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues of ``X^T X`` that are more than rounding, and their axes ``[D, r]``."""
    values, vectors = torch.linalg.eigh(x @ x.T)
    kept = values > ROUNDING * values[-1]
    return values[kept], x.T @ (vectors[:, kept] / values[kept].sqrt())
