"""Medians with their spread, and intervals that say how well they are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

__all__ = ["Estimate", "Spread", "estimate", "ratio_of_medians"]

Group = TypeVar("Group")

_RESAMPLES = 2000


@dataclass(frozen=True)
class Spread:
    """How a figure was distributed over its repeats."""

    n: int
    median: float
    p5: float
    p95: float
    min: float
    max: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Spread:
        """Summarise samples.

        Args:
            samples: At least one.
        """
        p5, median, p95 = np.percentile(samples, [5, 50, 95])
        return cls(
            len(samples),
            float(median),
            float(p5),
            float(p95),
            float(min(samples)),
            float(max(samples)),
        )

    def text(self, scale: float = 1.0, digits: int = 3) -> str:
        """``median [p5 – p95]``.

        Args:
            scale: What all figures are multiplied by.
            digits: Significant digits.
        """
        median, p5, p95 = (_number(scale * v, digits) for v in (self.median, self.p5, self.p95))
        return f"{median} [{p5} – {p95}]"


@dataclass(frozen=True)
class Estimate:
    """A figure, and the interval within which repeats of the measurement would put it."""

    value: float
    low: float
    """2.5th percentile of the bootstrap."""
    high: float
    """97.5th percentile of the bootstrap."""
    groups: int
    """Independent repeats that it rests on; 1: nobody knows how well, 0: it was counted."""

    @classmethod
    def exactly(cls, value: float) -> Estimate:
        """A figure that was counted, not measured.

        Args:
            value: The figure.
        """
        return cls(value, value, value, groups=0)

    def times(self, factor: float) -> Estimate:
        """The same in another unit.

        Args:
            factor: What it is multiplied by.
        """
        return Estimate(factor * self.value, factor * self.low, factor * self.high, self.groups)

    def text(self, scale: float = 1.0, digits: int = 3) -> str:
        """``value (low … high)``.

        Args:
            scale: What all figures are multiplied by.
            digits: Significant digits.
        """
        value, low, high = (_number(scale * v, digits) for v in (self.value, self.low, self.high))
        return f"{value} ({low} … {high})" if self.groups > 1 else value


def estimate(
    groups: Sequence[Group], statistic: Callable[[Sequence[Group]], float], seed: int = 0
) -> Estimate:
    """A statistic with its 95 % bootstrap interval.

    Whole groups are drawn, so that samples of one round, which share its circumstances, do not
    pass for independent ones.

    Args:
        groups: What was repeated independently: rounds, or pairs of runs.
        statistic: Of any selection of groups.
        seed: Of the draws.
    """
    generator = np.random.default_rng(seed)
    n = len(groups)
    draws = [
        statistic([groups[i] for i in generator.integers(0, n, n)])
        for _ in range(_RESAMPLES if n > 1 else 0)
    ]
    value = statistic(groups)
    low, high = np.percentile(draws, [2.5, 97.5]) if draws else (value, value)
    return Estimate(value, float(low), float(high), n)


def _number(value: float, digits: int) -> str:
    """Neither powers of ten nor more than three decimals."""
    if abs(value) >= 10**digits:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}" if abs(value) >= 0.1 else f"{value:.3f}"


def ratio_of_medians(
    rounds: Sequence[tuple[Sequence[float], Sequence[float]]],
) -> Estimate:
    """Median of the first over median of the second, measured side by side.

    Args:
        rounds: Samples of both from each round.
    """
    medians = [(float(np.median(a)), float(np.median(b))) for a, b in rounds]
    return estimate(medians, lambda chosen: float(np.median([a / b for a, b in chosen])))
