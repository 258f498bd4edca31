"""All numbers of an event that its rows allow."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from torch import Tensor

from gramscope.metrics import gram, neighbours, ranks, sphere, views
from gramscope.metrics.batch import Batch, stacked
from gramscope.metrics.rows import nonfinite_rows

__all__ = ["CHOICES", "GRAM", "STANDARD", "Measure", "measured", "standard", "wanted"]

Measure = Callable[[Batch], float]
Known = TypeVar("Known")
Of = TypeVar("Of")

GRAM: dict[str, Measure] = {
    "offdiag_mean": lambda batch: gram.offdiag_mean(batch.gram),
    "offdiag_std": lambda batch: gram.offdiag_std(batch.gram),
    "offdiag_min": lambda batch: gram.offdiag_min(batch.gram),
    "offdiag_max": lambda batch: gram.offdiag_max(batch.gram),
    "nonfinite_rows": lambda batch: nonfinite_rows(batch.features),
}
"""By name, what is computed of the gram matrix."""

_RANKS: dict[str, Callable[[Batch], float]] = {
    "effective_rank": lambda batch: ranks.effective_rank(batch.spectrum),
    "participation_ratio": lambda batch: ranks.participation_ratio(batch.spectrum),
    "stable_rank": lambda batch: ranks.stable_rank(batch.spectrum),
    "rankme": lambda batch: ranks.rankme(batch.uncentred),
}


def _share(name: str) -> Measure:
    def share(batch: Batch) -> float:
        of = batch.uncentred if name == "rankme" else batch.spectrum
        return _RANKS[name](batch) / of.ceiling if of.ceiling else math.nan

    return share


def _of_views(measure: Callable[..., float]) -> Measure:
    return lambda batch: math.nan if batch.views is None else measure(batch.views)


def _of_pair(measure: Callable[[views.Pair], float]) -> Measure:
    return lambda batch: math.nan if batch.pair is None else measure(batch.pair)


def _of_samples(measure: Callable[[Tensor, Tensor], float]) -> Measure:
    def similarity(batch: Batch) -> float:
        rows = batch.compared
        if rows is None or batch.sample is None:
            return math.nan
        return measure(batch.gram[rows[:, None], rows], batch.sample[rows])

    return similarity


def _uniformity(batch: Batch) -> float:
    if batch.by_view is None:
        return sphere.uniformity(batch.rows, gram=batch.gram)
    grams = [(rows, batch.gram[rows[:, None], rows]) for rows in batch.by_view]
    of_views = [sphere.uniformity(batch.rows[rows], gram=gram) for rows, gram in grams]
    return sum(of_views) / len(of_views)


def _uniformity_w2_excess(batch: Batch) -> float:
    return batch.uniformity_w2 - sphere.uniformity_w2_floor(*batch.rows.shape)


def _label_agreement(batch: Batch) -> float:
    if batch.label is None or not len(batch.rows):
        return math.nan
    return neighbours.label_agreement(batch.gram, batch.label, batch.sample)


STANDARD: dict[str, Measure] = {
    **GRAM,
    "spread": lambda batch: sphere.spread(batch.unit),
    "feature_std": lambda batch: sphere.feature_std(batch.unit),
    **_RANKS,
    "rank_ceiling": lambda batch: float(batch.spectrum.ceiling or math.nan),
    **{f"{name}_share": _share(name) for name in _RANKS},
    "cev_auc": lambda batch: ranks.cev_auc(batch.spectrum),
    "alpha_req": lambda batch: ranks.alpha_req(batch.spectrum),
    "alpha_req_r2": lambda batch: ranks.power_law(batch.spectrum).r2,
    "uniformity": _uniformity,
    "uniformity_w2": lambda batch: batch.uniformity_w2,
    "uniformity_w2_excess": _uniformity_w2_excess,
    "duplicate_share": lambda batch: neighbours.duplicate_share(batch.gram, batch.sample),
    "label_agreement": _label_agreement,
    "positive_similarity": _of_samples(gram.positive_similarity),
    "negative_similarity": _of_samples(gram.negative_similarity),
    "alignment": _of_views(lambda seen: sphere.alignment(seen[0], seen[1])),
    "view_correlation": _of_views(lambda seen: views.view_correlation(*seen)),
    "view_correlation_z": _of_pair(views.view_correlation_z),
    "view_cka": _of_pair(views.view_cka),
    "shared_rank": _of_pair(views.shared_rank),
    "lidar": _of_views(lambda seen: views.lidar(seen.transpose(0, 1))),
}
"""By name, what an event's rows allow; NaN where they do not."""

CHOICES = {"gram": GRAM, "standard": STANDARD}
"""The sets of numbers that have a name."""


def wanted(names: str | Sequence[str]) -> dict[str, Measure]:
    """The numbers that are asked for, by name.

    Args:
        names: ``"gram"``, ``"standard"`` (see `CHOICES`), or names of numbers.

    Raises:
        ValueError: If one is not known; the message has names that are close to it.

    Example:
        >>> list(wanted(["spread", "lidar"]))
        ['spread', 'lidar']
    """
    if isinstance(names, str):
        return dict(_known(names, CHOICES))
    return {name: _known(name, STANDARD) for name in names}


def _known(name: str, table: Mapping[str, Known]) -> Known:
    if name not in table:
        close = ", ".join(difflib.get_close_matches(str(name), [*CHOICES, *STANDARD]))
        raise ValueError(
            f"Expected {', '.join(map(repr, CHOICES))} or a list of numbers' names, but got "
            f"{name!r}{close and f', close to {close}'}."
        )
    return table[name]


def standard(features: Tensor, views: int | None = None) -> dict[str, float]:
    """The numbers of an event, for whoever has rows and no trainer.

    Args:
        features: ``[N, D]``, any floating dtype. Rows with NaN or Inf are left out, and counted.
        views: How many views of each sample the rows hold, first all first ones (*stacked*);
            ``None``: not known, and the numbers that need them are not there.

    Returns:
        By name, the numbers that have a value.

    Raises:
        ValueError: If ``features`` is no floating matrix, or the views do not divide its rows.

    Example:
        >>> import torch
        >>> standard(torch.eye(3))["effective_rank"]
        2.0
    """
    sample, view = stacked(len(features), views) if views else (None, None)
    batch = Batch(features, sample=sample, view=view)
    return _with_value({name: measure(batch) for name, measure in STANDARD.items()})


def measured(
    of: Of, wanted: Mapping[str, Callable[[Of], float]]
) -> tuple[dict[str, float], dict[str, str]]:
    """The numbers of an event, none of which keeps the others from being there.

    Args:
        of: The event's rows, or patches.
        wanted: By name, see `wanted`.

    Returns:
        The numbers that have a value; and, of those that failed, why.
    """
    values, failed = {}, {}
    for name, measure in wanted.items():
        try:
            values[name] = measure(of)
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"
    return _with_value(values), failed


def _with_value(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if math.isfinite(value)}
