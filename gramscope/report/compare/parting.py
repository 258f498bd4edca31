"""How much a number scatters, and where two runs part in it.

Noise is how much a number changes from one event to the next: 1.4826 times the median of the
changes' sizes, which for normal scatter is their standard deviation, of the run where it is larger.
Two runs that differ by nothing but scatter lie about one such noise apart. So two values differ
where more than three times the noise lies between them.

Two runs part in a number at the first common step where they differ, do so at the next two common
steps as well, and go on to differ at nine of ten common steps until the end. So a parting that
comes with the last two events is not seen yet, and one that closes again is none.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["LIMIT", "noise_of", "parting"]

LIMIT = 3.0
"""How many times the noise two values have to lie apart."""

_IN_A_ROW = 3
_AWAY = 0.9
_FEWEST = 3  # changes from which noise is told
_ROUNDING = 1e-6  # of the largest value: what is the same but for the order of sums
_NORMAL = 1.4826  # standard deviation over median size, of normal scatter


def noise_of(*runs: Sequence[float]) -> float | None:
    """The noise of a number, of the run where it is largest.

    Args:
        runs: Values of each run, event by event.

    Returns:
        ``None`` if a run has too few events to tell: it takes four.
    """
    if any(len(values) <= _FEWEST for values in runs):
        return None
    changes = (float(np.median(np.abs(np.diff(values)))) for values in runs)
    rounding = _ROUNDING * max(float(np.abs(values).max()) for values in runs)
    return max(rounding, _NORMAL * max(changes))


def parting(steps: Sequence[int], differences: Sequence[float], noise: float | None) -> int | None:
    """The step at which two runs part.

    Args:
        steps: Those that both have, in order.
        differences: How far apart the runs are at each.
        noise: As `noise_of` gives it.

    Returns:
        ``None``: they do not, or the noise is not known.
    """
    if noise is None or len(steps) < _IN_A_ROW:
        return None
    apart = np.array([abs(difference) > LIMIT * noise for difference in differences])
    share = np.cumsum(apart[::-1])[::-1] / np.arange(len(steps), 0, -1)
    in_a_row = np.convolve(apart, np.ones(_IN_A_ROW), "valid") == _IN_A_ROW
    found = np.flatnonzero(in_a_row & (share[: len(in_a_row)] >= _AWAY))
    return steps[found[0]] if len(found) else None
