"""How the similarities of the same samples change from one event to another."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gramscope.metrics.kernels import distance_of
from gramscope.metrics.rows import as_square

__all__ = ["gram_drift", "neighbours_gained", "neighbours_lost"]

_PLACES = 6
"""Decimals of a cosine that float32 resolves: by those after them no neighbour is nearer."""


def gram_drift(gram: Tensor, before: Tensor, mask: Tensor | None = None) -> float:
    """Root mean square change of the cosine similarities: ``||G - B||_F / N``.

    Comparable over time only for the same samples in the same order. Its square is the loss of
    gram anchoring (DINOv3, 2025: normalised features, similarities below 0 kept). Rows without
    similarities in either matrix (NaN) are left out of both.

    Args:
        gram: ``[N, N]`` gram matrix.
        before: ``[N, N]``: that of the same samples, in the same order, at another event.
        mask: ``[N]`` bool: the rows whose pairs count; ``None``: all.

    Returns:
        0 (nothing moved; turning all features together moves nothing) to 2; NaN without rows.

    Raises:
        ValueError: If the matrices are not square or not of one size, or the mask not of theirs.

    Example:
        >>> now, before = torch.eye(2), torch.ones(2, 2)
        >>> round(gram_drift(now, before), 4), gram_drift(now, before, torch.tensor([True, False]))
        (0.7071, 0.0)
    """
    return distance_of(*_common(gram, before, mask))


def neighbours_gained(gram: Tensor, before: Tensor, k: int = 5) -> float:
    """Share of pairs that have become neighbours, among those that are or were.

    Two samples are neighbours where each is among the ``k`` most similar to the other. The
    measure is ours. Of equally similar ones the first counts as nearer, and differences beyond the
    sixth decimal are none, so that rounding makes no neighbours. Rows as in `gram_drift`.

    Args:
        gram: ``[N, N]`` gram matrix.
        before: ``[N, N]``: that of the same samples, in the same order, at another event.
        k: How many are near; at most N - 1 of them are taken, and then all pairs are neighbours.

    Returns:
        0 (no new pair) to 1 (all are new); NaN for N < 3, where there is no choice.

    Raises:
        ValueError: If the matrices are not square or not of one size, or ``k`` is below 1.

    Example:
        >>> before = torch.tensor([[1.0, 0.9, 0.1], [0.9, 1.0, 0.2], [0.1, 0.2, 1.0]])
        >>> now = torch.tensor([[1.0, 0.1, 0.9], [0.1, 1.0, 0.2], [0.9, 0.2, 1.0]])
        >>> neighbours_gained(now, before, k=1)
        0.5
    """
    return _share_of_pairs(gram, before, k)


def neighbours_lost(gram: Tensor, before: Tensor, k: int = 5) -> float:
    """Share of pairs that are neighbours no more, among those that are or were.

    See `neighbours_gained`, whose converse it is.

    Args:
        gram: ``[N, N]`` gram matrix.
        before: ``[N, N]``: that of the same samples, in the same order, at another event.
        k: How many are near; at most N - 1 of them are taken, and then all pairs are neighbours.

    Returns:
        0 (all pairs are still there) to 1 (none is); NaN for N < 3.

    Raises:
        ValueError: As `neighbours_gained`.

    Example:
        >>> before = torch.tensor([[1.0, 0.9, 0.1], [0.9, 1.0, 0.2], [0.1, 0.2, 1.0]])
        >>> neighbours_lost(before, before, k=1)
        0.0
    """
    return _share_of_pairs(before, gram, k)


def _share_of_pairs(gram: Tensor, other: Tensor, k: int) -> float:
    """Of the neighbours in either matrix, the share that are none in the other one."""
    if k < 1:
        raise ValueError(f"Expected `k` to be at least 1 neighbour, but got {k}.")
    gram, other = _common(gram, other)
    if len(gram) < 3:
        return math.nan
    near, near_in_other = _mutual(gram, k), _mutual(other, k)
    return float((near & ~near_in_other).sum() / (near | near_in_other).sum().double())


def _mutual(gram: Tensor, k: int) -> Tensor:
    """``[N, N]`` bool: which two are among the ``k`` nearest of one another."""
    similarity = gram.double().round(decimals=_PLACES).fill_diagonal_(-math.inf)
    nearest = similarity.sort(dim=1, descending=True, stable=True).indices[:, : len(gram) - 1][
        :, :k
    ]
    near = torch.zeros_like(similarity, dtype=torch.bool).scatter_(1, nearest, True)
    return near & near.T


def _common(gram: Tensor, other: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Both matrices, of the rows that have similarities in each and that are asked for."""
    if as_square(gram).shape != as_square(other, "before").shape:
        raise ValueError(
            "Expected gram matrices of the same samples, but got shapes "
            f"{list(gram.shape)} and {list(other.shape)}."
        )
    rows = gram.diagonal().isfinite() & other.diagonal().isfinite()
    if mask is not None:
        if mask.shape != rows.shape or mask.dtype != torch.bool:
            raise ValueError(
                f"Expected `mask` to hold one bool for each of {len(rows)} rows, but got shape "
                f"{list(mask.shape)} of {mask.dtype}."
            )
        rows = rows & mask
    if rows.all():
        return gram, other
    return gram[rows][:, rows], other[rows][:, rows]
