"""What is known of one number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["End", "Needs", "Number"]

Needs = Literal["features", "gram", "views", "labels", "roles", "logits", "probe", "patches"]
End = Literal["low", "high", "both"]


@dataclass(frozen=True)
class Number:
    """One number of an event."""

    name: str
    """Its key in an event, which may have the feature before it: ``teacher_head/spread``."""
    needs: Needs
    """What it is computed from.

    All rows of the event, the gram matrix of the finite ones, rows of which it is known which are
    views of one sample, rows with labels, several features, a DINO head's logits, the same samples
    at an earlier event, or the patch tokens of samples.
    """
    low: float
    high: float
    """The ends of its range, infinite where there is none. Estimates may pass them by a little."""
    bad: End | None
    """Which end is the bad one; ``None``: it only says how to take others."""
    sentence: str
    """What it is."""
    why: str
    """What the bad end says, and what to look out for."""
    decimals: int | None = 3
    """Places behind the point; ``None``: four digits in all."""
    ceiling: str | None = None
    """What it cannot exceed where that is no fixed value: a number of the same event, or words."""
    headline: bool = False
    """Whether charts, captions and terminals have room for it; the bar shows the first of them."""
    short: str | None = None
    """Its name in a caption, where all else says what it is of; ``None``: it is in none."""
    sound: float | None = None
    """The value of a run without fault; where no run has another, it need not be shown."""

    @property
    def joint(self) -> bool:
        """Whether it is of several features together, and not of one of them."""
        return self.needs in ("roles", "logits")

    @property
    def range(self) -> str:
        """Its range in words."""
        if math.isinf(self.low):
            return "any"
        if self.ceiling is None and math.isinf(self.high):
            return f"{self.low:g} and up"
        return f"{self.low:g} to {self.ceiling or format(self.high, '.4g')}"
