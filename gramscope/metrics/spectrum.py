"""Singular values of a batch of features, computed once for all numbers that are made of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gramscope.metrics.rows import COLUMNS, as_matrix

__all__ = ["Spectrum", "singular_values", "spectrum"]

ONE_POINT = 1e-10
"""Share of variance in the squared lengths up to which rows are one point, and noise no rank."""


@dataclass(frozen=True)
class Spectrum:
    """The singular values of one feature matrix; every function of a spectrum takes one as well."""

    values: Tensor
    """``[ceiling]`` float64, in descending order.

    All 0 where the rows are one point, all NaN where an entry of theirs is NaN or Inf.
    """
    n: int
    """Rows."""
    dim: int
    """Columns."""
    centred: bool

    @property
    def ceiling(self) -> int:
        """The most directions that there can be: min(N, D), with centred rows min(N - 1, D)."""
        return len(self.values)

    @property
    def eigenvalues(self) -> Tensor:
        """``[ceiling]`` float64: of the covariance (divided by N - 1), where rows are centred."""
        return self.values.square() / max(self.n - 1, 1)

    @property
    def flat(self) -> bool:
        """Whether there is no variance at all."""
        return bool((self.values == 0).all())


def spectrum(features: Tensor | Spectrum, *, centred: bool = True) -> Spectrum:
    """The spectrum of ``features``; one that is given is given back.

    Args:
        features: ``[N, D]``, any floating dtype.
        centred: Subtract the mean over the samples first.

    Raises:
        ValueError: If ``features`` is not a floating ``[N, D]`` matrix, or a spectrum of the other
            kind.
    """
    if isinstance(features, Spectrum):
        if features.centred is not centred:
            kinds = ("uncentred", "centred")
            raise ValueError(
                f"Expected `features` to be a {kinds[centred]} spectrum, but got one that is "
                f"{kinds[features.centred]}."
            )
        return features
    values = singular_values(features, centred=centred)
    n, dim = features.shape
    values = values[: max(min(len(values), n - 1), 0)] if centred else values
    if centred and _is_one_point(features, values):
        values = torch.zeros_like(values)
    return Spectrum(values, n, dim, centred)


def _is_one_point(features: Tensor, values: Tensor) -> bool:
    x, scale = _moderate(as_matrix(features))
    lengths = torch.linalg.vector_norm(x, dtype=torch.float64)
    return bool(torch.linalg.vector_norm(values / scale) <= ONE_POINT**0.5 * lengths)


def singular_values(features: Tensor, *, centred: bool = True) -> Tensor:
    """Singular values of ``features``, from the smaller of its ``N x N`` and ``D x D`` products.

    The eigenvalues of that product are the squared singular values; at 512 x 65536 this is an
    order of magnitude faster than a singular value decomposition. The square root halves the
    number of digits: values below about 1e-7 of the largest are rounding.

    Args:
        features: ``[N, D]``, any floating dtype; computed in float64.
        centred: Subtract the mean over the samples first.

    Returns:
        ``[min(N, D)]`` float64, in descending order; all NaN if an entry is NaN or Inf.

    Raises:
        ValueError: If ``features`` is not a floating ``[N, D]`` matrix.

    Example:
        >>> singular_values(torch.tensor([[3.0, 0.0], [0.0, 4.0]]), centred=False).tolist()
        [4.0, 3.0]
    """
    x = as_matrix(features)
    if x.numel() == 0:
        return x.new_zeros(0, dtype=torch.float64)
    x, scale = _moderate(x)
    product = _smaller_product(x, centred)
    if not product.isfinite().all():
        return product.new_full((len(product),), torch.nan)
    squares: Tensor = torch.linalg.eigvalsh(product)
    return squares.clamp_(min=0.0).sqrt().flip(0) * scale


def _moderate(x: Tensor) -> tuple[Tensor, float]:
    """``x`` divided so that no square overflows or vanishes, and by what."""
    peak = float(x.abs().max()) if x.numel() and x.dtype == torch.float64 else 1.0
    return (x, 1.0) if peak == 0 or 1e-100 < peak < 1e100 else (x / peak, peak)


def _smaller_product(x: Tensor, centred: bool) -> Tensor:
    """``X X^T`` or ``X^T X``, float64, of columns whose mean is subtracted first."""
    n, dim = x.shape
    if n > dim:
        x = _columns(x, centred)
        return x.T @ x
    product = x.new_zeros(n, n, dtype=torch.float64)
    for columns in x.split(COLUMNS, dim=1):
        columns = _columns(columns, centred)
        product.addmm_(columns, columns.T)
    return product


def _columns(x: Tensor, centred: bool) -> Tensor:
    x = x.double()
    return x - x.mean(dim=0) if centred else x
