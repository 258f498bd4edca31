"""A number over a run, of several seeds, as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Course:
    """A number over a run: at each step that of every seed. Prints the means."""

    by_step: list[list[float | None]]

    def __str__(self) -> str:
        return " / ".join(_over_seeds(np.mean, seeds) for seeds in self.by_step)

    def last(self) -> str:
        """Lowest and highest at the last step; one dash where a seed does not have it."""
        low, high = (_over_seeds(end, self.by_step[-1]) for end in (np.min, np.max))
        return low if low == high else f"{low} – {high}"


def _over_seeds(summary: Callable[..., float], values: list[float | None]) -> str:
    if None in values:
        return "–"
    # Two digits however small: a collapse goes through many powers of ten.
    return np.format_float_positional(
        summary(values), precision=2, unique=False, fractional=False, trim="-"
    )
