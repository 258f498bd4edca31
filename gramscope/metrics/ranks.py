"""In how many directions features vary: numbers of a spectrum.

At small N they say as much about N as about the features: none exceeds ``spectrum(x).ceiling``,
min(N - 1, D), and what white noise scores differs by number. Compare like with like, and read a
value beside its ceiling. All are blind to scale; rows that are one point (see `spectrum`) score 0,
and rows with NaN or Inf give NaN: drop them first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gramscope.metrics.spectrum import Spectrum, spectrum

__all__ = [
    "PowerLaw",
    "alpha_req",
    "cev_auc",
    "effective_rank",
    "entropic",
    "nesum",
    "participation_ratio",
    "power_law",
    "rankme",
    "stable_rank",
]


def effective_rank(features: Tensor | Spectrum) -> float:
    """Exponential of the entropy of the centred singular values, normalised to sum 1.

    ``exp(-sum p ln p)``, ``p = s / sum s``, with ``0 ln 0 = 0``.
    Roy & Vetterli, "The effective rank", EUSIPCO 2007.

    Args:
        features: ``[N, D]``, any floating dtype, or its centred `Spectrum`.

    Returns:
        1 (a line) to min(N - 1, D); 0 without variance; NaN for N < 2.
        White noise of 40 x 768 scores 38.7.

    Example:
        >>> x = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
        >>> round(effective_rank(x), 6)
        2.0
    """
    s = spectrum(features)
    return entropic(s.values) if s.ceiling else math.nan


def rankme(features: Tensor | Spectrum) -> float:
    """The same of the uncentred singular values, with a small constant in every share.

    ``p = s / sum s + 1e-7``. Garrido et al., "RankMe", ICML 2023, eq. 2. Its authors take 25,600
    samples, and compare runs of one method only. A mean that all samples share counts as one
    strong direction and hides the others.

    Args:
        features: ``[N, D]``, any floating dtype, or its uncentred `Spectrum`.

    Returns:
        1 to a little above min(N, D); 0 for zeros; NaN without rows.

    Example:
        >>> round(rankme(torch.eye(3)), 4)
        3.0
    """
    s = spectrum(features, centred=False)
    return entropic(s.values, 1e-7) if s.ceiling else math.nan


def entropic(values: Tensor, constant: float = 0.0) -> float:
    """Exponential of the entropy of singular values, normalised to sum 1; 0 for zeros."""
    total = values.sum()
    if total == 0:
        return 0.0
    shares = values / total + constant
    return math.exp(float(torch.special.entr(shares).sum()))


def stable_rank(features: Tensor | Spectrum) -> float:
    """Sum of the covariance's eigenvalues over the largest: ``sum s^2 / s_1^2``, centred.

    Rudelson & Vershynin, J. ACM 2007; as "NESum", He & Ozay, ICML 2022.

    Args:
        features: ``[N, D]``, any floating dtype, or its centred `Spectrum`.

    Returns:
        1 (a line) to min(N - 1, D); 0 without variance; NaN for N < 2.

    Example:
        >>> x = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
        >>> round(stable_rank(x), 6)
        2.0
    """
    return _of_variance(features, lambda shares: shares.sum())


nesum = stable_rank


def participation_ratio(features: Tensor | Spectrum) -> float:
    """Squared sum of the covariance's eigenvalues over the sum of their squares.

    ``(sum l)^2 / sum l^2``. Gao et al. 2017, "A theory of multineuronal dimensionality". Biased
    low at small N: 1/value is about 1/true + 1/N (Chun et al., ICLR 2026); white noise scores
    (nD + 2) / (n + D + 1), n = N - 1.

    Args:
        features: ``[N, D]``, any floating dtype, or its centred `Spectrum`.

    Returns:
        1 (a line) to min(N - 1, D); 0 without variance; NaN for N < 2.

    Example:
        >>> x = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
        >>> round(participation_ratio(x), 6)
        2.0
    """
    return _of_variance(features, lambda shares: shares.sum().square() / shares.square().sum())


def _of_variance(features: Tensor | Spectrum, measure: Callable[[Tensor], Tensor]) -> float:
    """A number of the covariance's eigenvalues over the largest; 0 without variance."""
    s = spectrum(features)
    if not s.ceiling or s.flat:
        return 0.0 if s.ceiling else math.nan
    return float(measure((s.values / s.values[0]).square()))


def cev_auc(features: Tensor | Spectrum) -> float:
    """Area under the cumulative share of the centred singular values, by rank.

    Mean over k of ``sum_{i<=k} s_i / sum s``. Li, Efros & Pathak, ECCV 2022, who forecast the probe
    of a small SimSiam with it; as in their code of singular values, not of their squares.

    Args:
        features: ``[N, D]``, any floating dtype, or its centred `Spectrum`.

    Returns:
        (K + 1) / 2K (isotropic) to 1 (a line), K = min(N, D); 1 without variance, where not even a
        line is left; NaN for N < 2. White noise of 40 x 768 scores .56.

    Example:
        >>> round(cev_auc(torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])), 6)
        0.75
    """
    s = spectrum(features)
    if not s.ceiling or s.flat:
        return 1.0 if s.ceiling else math.nan
    shares = s.values.cumsum(0) / s.values.sum()
    of = min(s.n, s.dim)  # that of centred rows has one value of 0 where N <= D
    return (float(shares.sum()) + of - s.ceiling) / of


ROUNDING = 1e-6
"""Share of the largest singular value below which one is rounding, and no power law's."""


class PowerLaw(NamedTuple):
    """A decay ``l_i ~ i^-alpha`` of eigenvalues, and how well it fits."""

    alpha: float
    r2: float
    """Share of the variance of the logarithms that the fit explains, weighted as the fit."""
    first: int
    last: int
    """Ranks that were fitted, from 1."""


def power_law(features: Tensor | Spectrum, first: int = 6, last: int = 50) -> PowerLaw:
    """Fit a power law to the covariance's eigenvalues, in logarithms, weighted by 1/rank.

    Args:
        features: ``[N, D]``, any floating dtype, or its centred `Spectrum`.
        first: First rank to fit, from 1.
        last: Last rank to fit, or the last that is more than rounding (an eigenvalue above 1e-12
            of the largest) if there are fewer.

    Returns:
        The fit; NaN with fewer than three eigenvalues in the range.

    Example:
        >>> x = torch.linalg.qr(torch.randn(64, 30, dtype=torch.float64)).Q
        >>> x = torch.linalg.qr(x - x.mean(0)).Q * torch.arange(1.0, 31.0).double() ** -0.75
        >>> fit = power_law(x)
        >>> round(fit.alpha, 6), round(fit.r2, 6), fit.first, fit.last
        (1.5, 1.0, 6, 30)
    """
    s = spectrum(features)
    relative = s.values / s.values[:1]
    y = 2.0 * relative[relative > ROUNDING][first - 1 : last].log()
    last = first - 1 + len(y)
    if len(y) < 3:
        return PowerLaw(math.nan, math.nan, first, last)
    ranks = torch.arange(first, last + 1, dtype=torch.float64)
    x, weights = ranks.log(), (1 / ranks) / (1 / ranks).sum()
    dx, dy = x - (weights * x).sum(), y - (weights * y).sum()
    slope = (weights * dx * dy).sum() / (weights * dx * dx).sum()
    total = (weights * dy * dy).sum()
    left = (weights * (dy - slope * dx).square()).sum()
    return PowerLaw(float(-slope), float(1 - left / total) if total > 0 else 1.0, first, last)


def alpha_req(features: Tensor | Spectrum) -> float:
    """Exponent of the power law that the covariance's eigenvalues follow, over ranks 6 to 50.

    Agrawal et al., "alpha-ReQ", NeurIPS 2022. White noise scores .1 to .4, but more where rank 50
    is near the ceiling (1.1 at 64 x 64); near 1 is what they find to generalise best. Look at
    `power_law` for whether it is a power law at all.

    Args:
        features: ``[N, D]``, any floating dtype, or its centred `Spectrum`.

    Returns:
        The exponent, 0 or more; NaN with fewer than 8 directions.
    """
    return power_law(features).alpha
