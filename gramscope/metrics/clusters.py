"""Clusters of rows: k-means that gives the same every time and touches no generator of others."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["kmeans"]

_ROUNDS = 20
_SAME = 1e-12
"""Squared distance up to which unit rows are one point: beyond it is what rounding leaves."""


def kmeans(rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """At most ``k`` clusters of rows of about unit length.

    Lloyd's rounds, at most 20, from the seeds of k-means++ (Arthur & Vassilvitskii, SODA 2007),
    drawn with a generator of its own from a fixed seed: the same rows give the same clusters.

    Args:
        rows: ``[N, D]`` float64, finite.
        k: How many; fewer are found where fewer rows are different.

    Returns:
        Their centres ``[K, D]``, and which one each row is of, ``[N]`` from 0 to K - 1. None is
        empty.

    Example:
        >>> kmeans(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]).double(), 3)[1].tolist()
        [0, 1, 0]
    """
    if not len(rows):
        return rows, torch.zeros(0, dtype=torch.long, device=rows.device)
    centres = _seeds(rows, k)
    label = _nearest(rows, centres)
    for _ in range(_ROUNDS):
        centres, label = _means(rows, label)
        moved = _nearest(rows, centres)
        if moved.equal(label):
            break
        label = moved
    return _means(rows, label)


def _seeds(rows: Tensor, k: int) -> Tensor:
    """The first at random, each other with the chance of its squared distance to them."""
    draws = torch.rand(k, generator=torch.Generator().manual_seed(0), dtype=torch.float64).tolist()
    chosen = [int(draws[0] * len(rows))]
    away = squares(rows, rows[chosen])[:, 0]
    for draw in draws[1:]:
        sums = torch.where(away > _SAME, away, 0.0).cumsum(0)
        if sums[-1] == 0:
            break
        chosen.append(int(torch.searchsorted(sums, draw * sums[-1], right=True)))
        away = torch.minimum(away, squares(rows, rows[chosen[-1:]])[:, 0])
    return rows[chosen]


def _nearest(rows: Tensor, centres: Tensor) -> Tensor:
    return squares(rows, centres).argmin(dim=1)


def squares(rows: Tensor, centres: Tensor) -> Tensor:
    """``[N, K]``: squared distance of each row to each centre."""
    lengths = rows.square().sum(dim=1, keepdim=True) + centres.square().sum(dim=1)
    return (lengths - 2 * rows @ centres.T).clamp_(min=0)


def _means(rows: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """The centres of the clusters that have rows, and the rows' labels among those."""
    _, label, count = label.unique(return_inverse=True, return_counts=True)
    sums = rows.new_zeros(len(count), rows.shape[1]).index_add_(0, label, rows)
    return sums / count[:, None], label
