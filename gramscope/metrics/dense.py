"""How patches of samples are grouped: the three terms of the dense-degradation estimate (DSE).

Dai et al., "Exploring Structural Degradation in Dense Representations for Self-supervised
Learning", NeurIPS 2025: dense quality is ``inter - intra + weight * rank``, whose weight needs the
spread over a run's events (`gramscope.diagnosis.best_snapshot`). Patches are divided by their
length first, as the authors' command does. Of more than 196 patches of a sample, which is what the
authors' samples have, 196 are taken, at random and the same ones each time: clusters' extents
depend on how many there are. Patches with NaN or Inf are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property

import torch
from torch import Tensor

from gramscope.metrics.clusters import kmeans, squares
from gramscope.metrics.ranks import entropic
from gramscope.metrics.rows import as_tokens, centred, finite_rows
from gramscope.metrics.spectrum import ONE_POINT, singular_values
from gramscope.metrics.sphere import unit_rows

__all__ = ["Dense", "average", "dense_inter", "dense_intra", "dense_rank"]

_PATCHES = 196
_CLUSTERS, _GROUP = 3, 8
"""The authors' clusters for each sample, and how many samples they group at most."""

Clustered = tuple[Tensor, Tensor, Tensor]
"""Rows, their clusters' centres, and which one each row is of."""


class Dense:
    """Patches and their clusters, which are found once; every function here takes one as well.

    Args:
        tokens: ``[S, T, D]``, any floating dtype: T patches of each of S samples.

    Raises:
        ValueError: If ``tokens`` is no floating ``[S, T, D]`` tensor.
    """

    def __init__(self, tokens: Tensor) -> None:
        tokens = _some(as_tokens(tokens))
        self.samples = [unit_rows(rows[finite_rows(rows)]) for rows in tokens]
        """Of each, its patches at length 1: ``[t, D]`` float64."""

    @cached_property
    def rows(self) -> Tensor:
        """``[n, D]`` float64: the patches of all samples."""
        return torch.cat(self.samples) if self.samples else torch.zeros(0, 0).double()

    @cached_property
    def scale(self) -> float:
        """Mean distance of a patch to the mean of all; NaN where they are one point."""
        away = float(torch.linalg.vector_norm(centred(self.rows), dim=1).mean())
        return away if away > ONE_POINT**0.5 else math.nan

    @cached_property
    def of_samples(self) -> list[Clustered]:
        """The clusters of each sample."""
        return [_clustered(rows, _CLUSTERS) for rows in self.samples]

    @cached_property
    def of_groups(self) -> list[Clustered]:
        """The clusters of up to eight samples together, three for each sample."""
        count = math.ceil(len(self.samples) / _GROUP)
        groups = [self.samples[start::count] for start in range(count)]
        return [_clustered(torch.cat(group), _CLUSTERS * len(group)) for group in groups]


def dense_inter(tokens: Tensor | Dense) -> float:
    """How far patches are from the nearest cluster that is not their own.

    The mean distance of a patch to the nearest other centre, of 24 clusters of 8 samples'
    patches (3 for each sample where there are fewer), over the mean distance of a patch to the
    mean of all.

    Args:
        tokens: ``[S, T, D]``, any floating dtype, or their `Dense`.

    Returns:
        0 and up, about 1 where clusters lie apart; NaN where all patches are one point.

    Raises:
        ValueError: If ``tokens`` is no floating ``[S, T, D]`` tensor.

    Example:
        >>> round(dense_inter(torch.eye(2).repeat(3, 1)[None]), 4)
        2.0
    """
    dense = _dense(tokens)
    return average(_to_other(*found) for found in dense.of_groups) / dense.scale


def dense_intra(tokens: Tensor | Dense) -> float:
    """How far clusters of patches reach, in all directions together.

    The mean over clusters of ``sum s / sqrt(max(n - 1, D))``, s the singular values of a cluster's
    n centred patches, over the mean distance of a patch to the mean of all: averaged over 3
    clusters of each sample, and over 24 of 8 samples. Clusters of one patch have no extent.

    Args:
        tokens: ``[S, T, D]``, any floating dtype, or their `Dense`.

    Returns:
        0 (each cluster is a point) and up; NaN where all patches are one point, or where no
        cluster has two.

    Raises:
        ValueError: If ``tokens`` is no floating ``[S, T, D]`` tensor.

    Example:
        >>> dense_intra(torch.eye(2).repeat(3, 1)[None])
        0.0
    """
    dense = _dense(tokens)
    kinds = (dense.of_samples, dense.of_groups)
    return sum(average(_extent(*found) for found in kind) for kind in kinds) / 2 / dense.scale


def dense_rank(tokens: Tensor | Dense) -> float:
    """Share of the directions that patches use: their uncentred effective rank over the most.

    ``exp(-sum p ln p) / min(N, D)``, ``p = s / sum s``, of all N patches together. The authors
    take one patch of each of 1024 images at a time; of a probe's few samples that would say how
    many they are.

    Args:
        tokens: ``[S, T, D]``, any floating dtype, or their `Dense`.

    Returns:
        ``1 / min(N, D)`` (multiples of one patch) to 1; NaN without patches, or of zeros alone.

    Raises:
        ValueError: If ``tokens`` is no floating ``[S, T, D]`` tensor.

    Example:
        >>> round(dense_rank(torch.eye(4)[None]), 4)
        1.0
    """
    values = singular_values(_dense(tokens).rows, centred=False)
    return entropic(values) / len(values) if values.any() else math.nan


def _dense(tokens: Tensor | Dense) -> Dense:
    return tokens if isinstance(tokens, Dense) else Dense(tokens)


def _clustered(rows: Tensor, k: int) -> Clustered:
    return rows, *kmeans(rows, k)


def _some(tokens: Tensor) -> Tensor:
    """At most so many patches of a sample: in random places, which follow no grid's lines."""
    count = tokens.shape[1]
    if count <= _PATCHES:
        return tokens
    places = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    return tokens[:, places[:_PATCHES].sort().values.to(tokens.device)]


def _to_other(rows: Tensor, centres: Tensor, label: Tensor) -> float:
    """Mean distance of a row to the nearest centre but its own; NaN if there is no other."""
    if len(centres) < 2:
        return math.nan
    away = squares(rows, centres).scatter_(1, label[:, None], math.inf)
    return float(away.amin(dim=1).sqrt().mean())


def _extent(rows: Tensor, centres: Tensor, label: Tensor) -> float:
    """Mean over clusters of more than one row of the extent of each."""
    clusters = (rows[label == cluster] for cluster in range(len(centres)))
    return average(_reach(cluster) for cluster in clusters if len(cluster) > 1)


def _reach(cluster: Tensor) -> float:
    total = float(singular_values(cluster).sum())
    return total / math.sqrt(max(len(cluster) - 1, cluster.shape[1]))


def average(values: Iterable[float]) -> float:
    """The mean of those that are numbers; NaN if none is."""
    there = [value for value in values if not math.isnan(value)]
    return sum(there) / len(there) if there else math.nan
