"""Numbers of the patch tokens of a few samples, ``[S, T, D]``: T patches of each of S samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from gramscope.metrics.dense import Dense, average, dense_inter, dense_intra, dense_rank
from gramscope.metrics.drift import gram_drift
from gramscope.metrics.gram import gram_matrix
from gramscope.metrics.rows import as_tokens, finite_rows
from gramscope.metrics.sphere import unit_rows
from gramscope.metrics.standard import measured

__all__ = [
    "PATCHES",
    "PatchTokens",
    "patch_grams",
    "patch_norm_outliers",
    "patch_similarity",
    "patches",
]

_NORMAL = 1.4826
"""A standard deviation over the median absolute deviation, of normal numbers."""
_LEAST = 1e-3
"""Deviation of lengths, beside their median, below which they are the same but for rounding."""


def patch_grams(tokens: Tensor) -> Tensor:
    """The gram matrix of each sample's patches; see `gramscope.metrics.gram_matrix`.

    Args:
        tokens: ``[S, T, D]``, any floating dtype.

    Returns:
        ``[S, T, T]`` float32, NaN in rows and columns of patches with NaN or Inf.

    Raises:
        ValueError: If ``tokens`` is no floating ``[S, T, D]`` tensor.

    Example:
        >>> patch_grams(torch.ones(2, 3, 4)).shape
        torch.Size([2, 3, 3])
    """
    tokens = as_tokens(tokens)
    grams = tokens.new_empty(*tokens.shape[:2], tokens.shape[1], dtype=torch.float32)
    for gram, rows in zip(grams, tokens, strict=True):
        gram.copy_(gram_matrix(rows))
    return grams


def patch_norm_outliers(tokens: Tensor, cut: float = 5.0) -> float:
    """Share of patches of outlying length: the artefacts that register tokens cure.

    Lengths above ``median + cut * 1.4826 * MAD``, MAD the median absolute deviation, of all
    patches together. It wants tokens from *before* the model's last LayerNorm, which makes all
    lengths alike. Artefacts: Darcet et al., "Vision transformers need registers", ICLR 2024, who
    cut at 150, for one model; a cut beside the rest serves models of any scale. At 5 it lies
    beyond what skewed lengths without artefacts reach: of a log-normal of deviation 0.2 it cuts
    0.03 % off, at 3 it would be 1 %.

    Args:
        tokens: ``[S, T, D]``, any floating dtype. Patches with NaN or Inf are left out.
        cut: In standard deviations of normal numbers, as the MAD estimates them; those are no
            less than a thousandth of the median, which rounding would reach.

    Returns:
        0 to below 0.5; NaN without patches.

    Raises:
        ValueError: If ``tokens`` is no floating ``[S, T, D]`` tensor.

    Example:
        >>> tokens = torch.ones(1, 8, 4)
        >>> tokens[0, 3] *= 10
        >>> patch_norm_outliers(tokens)
        0.125
    """
    norms = torch.linalg.vector_norm(as_tokens(tokens), dim=2, dtype=torch.float64)
    norms = norms[norms.isfinite()]
    if not len(norms):
        return math.nan
    median = norms.quantile(0.5)
    deviation = _NORMAL * (norms - median).abs().quantile(0.5)
    limit = median + cut * deviation.clamp(min=_LEAST * median)
    return float((norms > limit).double().mean())


def patch_similarity(tokens: Tensor) -> float:
    """Mean cosine similarity of two different patches of one sample, averaged over samples.

    Args:
        tokens: ``[S, T, D]``, any floating dtype. Patches with NaN or Inf are left out.

    Returns:
        1 (all patches of a sample are alike) to about 0, also below; NaN where no sample has two.

    Raises:
        ValueError: If ``tokens`` is no floating ``[S, T, D]`` tensor.

    Example:
        >>> patch_similarity(torch.tensor([[[1.0, 0.0], [0.0, 2.0]], [[1.0, 0.0], [2.0, 0.0]]]))
        0.5
    """
    samples = (unit_rows(rows[finite_rows(rows)]) for rows in as_tokens(tokens))
    return average(_mean_cosine(rows) for rows in samples if len(rows) > 1)


def _mean_cosine(rows: Tensor) -> float:
    total = rows.sum(dim=0).square().sum() - rows.square().sum()
    return float(total) / (len(rows) * (len(rows) - 1))


class PatchTokens:
    """Patches of one event, and what there is to compare them with.

    Args:
        tokens: ``[S, T, D]``, any floating dtype: the rows that the matrix shows.
        before: ``[S, T, T]``: `patch_grams` of the same samples at the event before.
        anchor: ``[S, T, T]``: those of the best earlier snapshot.
        mask: ``[S, T]`` bool: patches that the model did not see.
        raw: ``[S, T, D]``: the tokens before the model's last LayerNorm; ``None``: lengths are
            not known.
        grams: `patch_grams` of ``tokens``, where they are there already.

    Raises:
        ValueError: If ``tokens`` is no floating ``[S, T, D]`` tensor.
    """

    def __init__(
        self,
        tokens: Tensor,
        *,
        before: Tensor | None = None,
        anchor: Tensor | None = None,
        mask: Tensor | None = None,
        raw: Tensor | None = None,
        grams: Tensor | None = None,
    ) -> None:
        self.tokens = as_tokens(tokens)
        self.before, self.anchor, self.mask, self.raw = before, anchor, mask, raw
        self._grams = grams

    @cached_property
    def grams(self) -> Tensor:
        """``[S, T, T]`` float32: cosine similarities."""
        return patch_grams(self.tokens) if self._grams is None else self._grams

    @cached_property
    def dense(self) -> Dense:
        """The patches' clusters."""
        return Dense(self.tokens)

    def moved(self, since: Tensor | None, seen: bool | None = None) -> float:
        """`gram_drift` since other gram matrices, averaged over samples.

        Args:
            since: ``[S, T, T]``; ``None``: there are none, and it is NaN.
            seen: Of the patches that the mask holds (False) or does not (True) alone.

        Raises:
            ValueError: If the matrices or the mask are not of these patches.
        """
        if since is None or (seen is not None and self.mask is None):
            return math.nan
        if since.shape != self.grams.shape:
            raise ValueError(
                f"Expected gram matrices of the same patches, {list(self.grams.shape)}, but got "
                f"shape {list(since.shape)}."
            )
        each = zip(self.grams, since, self._masks(seen), strict=True)
        return average(gram_drift(gram, before, mask) for gram, before, mask in each)

    def _masks(self, seen: bool | None) -> Sequence[Tensor | None]:
        if seen is None or self.mask is None:
            return [None] * len(self.grams)
        if self.mask.dtype != torch.bool or self.mask.shape != self.grams.shape[:2]:
            raise ValueError(
                f"Expected `mask` to hold a bool for each patch, {list(self.grams.shape[:2])}, "
                f"but got shape {list(self.mask.shape)} of {self.mask.dtype}."
            )
        return list(~self.mask if seen else self.mask)


PATCHES: dict[str, Callable[[PatchTokens], float]] = {
    "patch_norm_outliers": lambda of: math.nan if of.raw is None else patch_norm_outliers(of.raw),
    "patch_similarity": lambda of: patch_similarity(of.tokens),
    "dense_inter": lambda of: dense_inter(of.dense),
    "dense_intra": lambda of: dense_intra(of.dense),
    "dense_rank": lambda of: dense_rank(of.dense),
    "gram_drift": lambda of: of.moved(of.before),
    "gram_drift_masked": lambda of: of.moved(of.before, seen=False),
    "gram_drift_unmasked": lambda of: of.moved(of.before, seen=True),
    "anchor_distance": lambda of: of.moved(of.anchor),
    "anchor_distance_masked": lambda of: of.moved(of.anchor, seen=False),
    "anchor_distance_unmasked": lambda of: of.moved(of.anchor, seen=True),
}
"""By name, what is computed of patches; NaN where they do not allow it."""


def patches(
    tokens: Tensor,
    *,
    before: Tensor | None = None,
    anchor: Tensor | None = None,
    mask: Tensor | None = None,
    raw: Tensor | None = None,
) -> dict[str, float]:
    """All numbers of an event's patches that have a value, by name.

    None keeps the others from being there: ``measured(PatchTokens(...), PATCHES)`` says of those
    that failed why.

    Args:
        tokens: ``[S, T, D]``, any floating dtype.
        before: See `PatchTokens`, as all others.
        anchor: The best earlier snapshot's gram matrices.
        mask: Patches that the model did not see.
        raw: Tokens from before the last LayerNorm.

    Raises:
        ValueError: If ``tokens`` is no floating ``[S, T, D]`` tensor.

    Example:
        >>> list(patches(torch.eye(4).repeat(2, 1)[None]))
        ['patch_similarity', 'dense_inter', 'dense_intra', 'dense_rank']
    """
    given = PatchTokens(tokens, before=before, anchor=anchor, mask=mask, raw=raw)
    return measured(given, PATCHES)[0]
