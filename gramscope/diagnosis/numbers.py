"""The one table of an event's numbers, which the monitor, the bar, reports and docs read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["NUMBERS", "Number", "format_number"]


@dataclass(frozen=True)
class Number:
    """One number of an event; the function of that name in `gramscope.metrics` computes it."""

    name: str
    needs: Literal["features", "gram"]
    """What it is computed from: all rows of the event, or the gram matrix of the finite ones."""
    sentence: str
    """What it is."""
    low: float
    high: float
    """The ends of its range; infinite where there is none."""
    bad: Literal["low", "high", "both"]
    """Which end is the bad one."""
    why: str
    """What the bad end says."""
    decimals: int | None = 3
    """Places behind the point; ``None``: four digits in all."""
    headline: bool = False
    """Whether charts, captions and terminals have room for it; the bar shows the first of them."""
    short: str | None = None
    """Its name where little room is left and all else says what it is of."""
    sound: float | None = None
    """The value of a run without fault; where no run has another, it need not be shown."""


NUMBERS = {
    number.name: number
    for number in (
        Number(
            "offdiag_mean",
            needs="gram",
            sentence="Mean cosine similarity of two different samples.",
            low=-1.0,
            high=1.0,
            # All samples alike bring it to 1. A low mean is no fault.
            bad="high",
            why="The largest is the worst: at 1 all samples are one point.",
            headline=True,
            short="mean",
        ),
        Number(
            "offdiag_std",
            needs="gram",
            sentence="Standard deviation of the cosine similarity of two different samples.",
            low=0.0,
            high=1.0,
            # Between them is where samples differ in degree, as they should.
            bad="both",
            why="Both ends can be bad: near 0 at a mean near 1, all samples are one point; "
            "near 1, they are two opposite points.",
            headline=True,
            short="std",
        ),
        Number(
            "offdiag_min",
            needs="gram",
            sentence="Cosine similarity of the least similar pair of samples.",
            low=-1.0,
            high=1.0,
            # It rises only when even the most different two samples come together.
            bad="high",
            why="The largest is the worst: at 1 even the least similar samples are alike.",
        ),
        Number(
            "offdiag_max",
            needs="gram",
            sentence="Cosine similarity of the most similar pair of different samples.",
            low=-1.0,
            high=1.0,
            # Near 1 is normal where rows are views of one sample; at 1 without views: duplicates.
            bad="high",
            why="The largest: at 1 two samples are alike, as views of one sample should be.",
        ),
        Number(
            "nonfinite_rows",
            needs="features",
            sentence="Rows with NaN or Inf, which are left out of the matrix.",
            low=0.0,
            high=float("inf"),
            # All other numbers are then of fewer samples.
            bad="high",
            why="The largest is the worst: rows with NaN or Inf, which are left out of the matrix.",
            decimals=None,
            sound=0.0,
        ),
    )
}
"""By name, in the order in which they are shown."""


def format_number(name: str, value: float) -> str:
    """A number as text; one that the table does not know gets four digits."""
    decimals = NUMBERS[name].decimals if name in NUMBERS else None
    return f"{value:.4g}" if decimals is None else f"{value:.{decimals}f}"
