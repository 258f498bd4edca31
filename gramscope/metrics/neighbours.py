"""What a sample's nearest neighbour says: duplicates, and whether labels agree."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gramscope.metrics.rows import as_square, check_one_each

__all__ = ["duplicate_share", "label_agreement"]


def duplicate_share(
    gram: Tensor, sample: Tensor | None = None, *, threshold: float = 0.999
) -> float:
    """Share of rows whose nearest neighbour is all but the same.

    Args:
        gram: ``[N, N]`` gram matrix.
        sample: ``[N]`` integers: rows of one sample, views or a sampler's padding, are no
            duplicates of one another. ``None``: each row is a sample of its own.
        threshold: Cosine similarity above which two rows count as the same.

    Returns:
        0 to 1; NaN where no row has another sample's beside it.

    Raises:
        ValueError: If ``gram`` is not square, or ``sample`` does not hold one integer for each row.

    Example:
        >>> duplicate_share(torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
        0.6666666666666666
    """
    similarity, _ = _nearest(gram, sample)
    there = similarity > -math.inf
    alike = similarity[there].double() > threshold
    return float(alike.double().mean()) if there.any() else math.nan


def label_agreement(gram: Tensor, label: Tensor, sample: Tensor | None = None) -> float:
    """Share of rows whose nearest neighbour, of another sample, has the same label.

    A leave-one-out 1-NN classifier on the rows of one event: at few rows a noisy number.

    Args:
        gram: ``[N, N]`` gram matrix.
        label: ``[N]`` integers.
        sample: See `duplicate_share`.

    Returns:
        0 to 1; NaN where no row has another sample's beside it.

    Raises:
        ValueError: As `duplicate_share`, and if there are not as many labels as rows.
    """
    check_one_each("label", label, gram)
    similarity, nearest = _nearest(gram, sample)
    there = similarity > -math.inf
    agree = (label[nearest] == label)[there]
    return float(agree.double().mean()) if there.any() else math.nan


def _nearest(gram: Tensor, sample: Tensor | None) -> tuple[Tensor, Tensor]:
    """Similarity and position of each row's nearest of another sample."""
    n = len(as_square(gram))
    sample = torch.arange(n) if sample is None else sample
    check_one_each("sample", sample, gram)
    if not n:
        return gram.new_empty(0), torch.empty(0, dtype=torch.long)
    others = gram.masked_fill(sample[:, None] == sample, -math.inf)
    similarity, position = others.max(dim=1)
    return similarity, position
