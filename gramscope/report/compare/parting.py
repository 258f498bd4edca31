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

import statistics
from collections.abc import Sequence
from itertools import pairwise

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
    changes = ([abs(after - before) for before, after in pairwise(values)] for values in runs)
    rounding = _ROUNDING * max(abs(value) for values in runs for value in values)
    return max(rounding, _NORMAL * max(map(statistics.median, changes)))


def parting(differences: Sequence[tuple[int, float]], noise: float | None) -> int | None:
    """The step at which two runs part.

    Args:
        differences: Each common step, in order, and how far apart the runs are there.
        noise: As `noise_of` gives it.

    Returns:
        ``None``: they do not, or the noise is not known.
    """
    if noise is None:
        return None
    found, apart_from_here = None, 0
    apart = [abs(difference) > LIMIT * noise for _, difference in differences]
    for at in reversed(range(len(apart))):
        apart_from_here += apart[at]
        row = apart[at : at + _IN_A_ROW]
        if len(row) == sum(row) == _IN_A_ROW and apart_from_here >= _AWAY * (len(apart) - at):
            found = differences[at][0]
    return found
