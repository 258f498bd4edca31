"""What the same samples show over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from gramscope import metrics
from gramscope.monitor.due_step import DueStep
from gramscope.monitor.earlier import Earlier
from gramscope.monitor.identity import Known
from gramscope.monitor.numbers import Measured, measure

__all__ = ["OverTime"]

_FIRST = "no earlier event of these samples"
_OTHERS = "rows are others than before"

_NUMBERS: dict[str, tuple[str, Callable[[Tensor, Tensor], float]]] = {
    "gram_drift": ("before", metrics.gram_drift),
    "gram_drift_first": ("first", metrics.gram_drift),
    "neighbours_gained": ("before", metrics.neighbours_gained),
    "neighbours_lost": ("before", metrics.neighbours_lost),
}
"""With which earlier matrix each is made."""


class OverTime:
    """Measures rows as of any event, and how far they have moved since earlier ones.

    Args:
        earlier: What they were.
    """

    def __init__(self, earlier: Earlier) -> None:
        self._earlier = earlier

    def __call__(self, due: DueStep, features: Mapping[str, Tensor], who: Known) -> Measured:
        """As `measure`."""
        measured = measure(due, features, who)
        rows = features[""]
        finite = metrics.finite_rows(rows)
        if not finite.any():
            return measured
        gram = metrics.gram_matrix(rows[finite])
        origin = (who.rank.long() << 32 | who.index.long())[finite]
        moved, absent = self._moved(origin, gram)
        self._earlier.keep(origin, before=gram)
        if "first" not in self._earlier.of(origin, gram.shape):
            self._earlier.keep(origin, first=gram)
        return measured._replace(
            numbers={**measured.numbers, **moved}, absent={**measured.absent, **absent}
        )

    def _moved(self, origin: Tensor, gram: Tensor) -> tuple[dict[str, float], dict[str, list[str]]]:
        before = self._earlier.of(origin, gram.shape)
        if not before:
            return {}, {_FIRST if self._earlier.is_empty else _OTHERS: [*_NUMBERS]}
        values = {name: number(gram, before[of]) for name, (of, number) in _NUMBERS.items()}
        there = {name: v for name, v in values.items() if torch.tensor(v).isfinite()}
        return there, {}
