"""Medians with their spread, and intervals that say how well they are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Spread:
    """How a figure was distributed over its repeats; prints as ``median [p5 – p95]``."""

    n: int
    min: float
    p5: float
    median: float
    p95: float
    max: float

    @classmethod
    def of(cls, samples: ArrayLike) -> Spread:
        """Summarise all numbers of an array, at least one."""
        return cls(np.size(samples), *np.percentile(samples, [0, 5, 50, 95, 100]).tolist())

    def __str__(self) -> str:
        return f"{number(self.median)} [{number(self.p5)} – {number(self.p95)}]"


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval; prints as ``value (low … high)``."""

    value: float
    low: float
    high: float
    rounds: int
    """Independent repeats that it rests on. One gives no interval, and none means counted."""

    def __str__(self) -> str:
        interval = f" ({number(self.low)} … {number(self.high)})" if self.rounds > 1 else ""
        return f"{number(self.value)}{interval}"


def estimate(rounds: ArrayLike, statistic: Callable[[Any], Any] = np.median) -> Estimate:
    """A statistic of ``[rounds, …]`` samples, with its bootstrap interval.

    Whole rounds are drawn, so that samples of one round, which share its circumstances, do not
    pass for independent ones.
    """
    from scipy.stats import bootstrap  # takes a second, and ranks have no use for it

    rounds = np.asarray(rounds, dtype=float)
    value = float(statistic(rounds))
    if len(rounds) == 1:
        return Estimate(value, value, value, 1)
    low, high = bootstrap(
        (range(len(rounds)),),
        lambda drawn: statistic(rounds[drawn]),
        n_resamples=2000,
        vectorized=False,
        method="percentile",
        random_state=0,
    ).confidence_interval
    return Estimate(value, float(low), float(high), len(rounds))


def number(value: float) -> str:
    """Three digits, but neither powers of ten nor more than three decimals."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if not value or abs(value) >= 0.1 else f"{value:.3f}"
