"""Whether the second run is worse than the first in what somebody asks about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from gramscope.diagnosis import number_of
from gramscope.report.compare.result import Comparison, Number, worse_by
from gramscope.report.files import ReportError

__all__ = ["Worse", "worse"]

_ENDS = ("low", "high")


@dataclass(frozen=True)
class Worse:
    """A number in which the second run is worse."""

    key: str
    by: float
    tolerance: float


def worse(
    comparison: Comparison, metrics: Sequence[str], tolerance: float | None = None
) -> list[Worse]:
    """Which of some numbers are worse at the last common step.

    Args:
        comparison: Of the two runs.
        metrics: Numbers, each with or without the feature before it; behind it ``:low`` or
            ``:high`` where that end is to be the bad one, whatever the table of numbers says.
        tolerance: By how much each may be worse; ``None``: three times its noise.

    Raises:
        ReportError: If there is no such number in both runs, or none of its ends is the bad one.
    """
    return [one for metric in metrics for one in _worse(comparison, metric, tolerance)]


def _worse(comparison: Comparison, metric: str, tolerance: float | None) -> Iterator[Worse]:
    for number, end in _asked(comparison, metric):
        by = worse_by(end, number.end)
        limit = number.tolerance if tolerance is None else tolerance
        if by > limit:
            yield Worse(number.key, by, limit)


def _asked(comparison: Comparison, metric: str) -> list[tuple[Number, str]]:
    name, colon, end = metric.rpartition(":")
    name, end = (name, end) if colon and end in _ENDS else (metric, "")
    found = [number for number in comparison.numbers if name in (number.name, number.key)]
    if not found:
        raise ReportError(_unknown(comparison, name))
    return [(number, end or _bad_end(number)) for number in found]


def _bad_end(number: Number) -> str:
    known = number_of(number.name)
    if known is not None and known.bad in _ENDS:
        return known.bad
    why = "which of its ends is bad depends on others" if known and known.bad else "no end is bad"
    key = number.key
    raise ReportError(
        f"--fail-on-worse {key}: {why}; say which is: {key}:low (lower is worse) or {key}:high"
    )


def _unknown(comparison: Comparison, name: str) -> str:
    for run, only in ((comparison.a, comparison.only_a), (comparison.b, comparison.only_b)):
        if name in only:
            return f"--fail-on-worse {name}: only {run} has it"
    known = [*dict.fromkeys(k for n in comparison.numbers for k in (n.name, n.key))]
    close = " or ".join(get_close_matches(name, known)) or f"one of {', '.join(known) or 'none'}"
    return f"--fail-on-worse: there is no {name!r} in both runs; perhaps {close}"
