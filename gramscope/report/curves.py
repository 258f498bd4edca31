"""Long series with no more points than can be seen."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["thinned"]

Series = Sequence[tuple[int, float]]


def thinned(series: Series, stretches: int) -> Series:
    """A series, or of a long one the least and the greatest value of each stretch, and its ends."""
    if len(series) <= 2 * stretches:
        return series
    kept = {series[0], series[-1]}
    for i in range(stretches):
        part = series[i * len(series) // stretches : (i + 1) * len(series) // stretches]
        kept |= {min(part, key=lambda p: p[1]), max(part, key=lambda p: p[1])}
    return sorted(kept)
