"""What a run's metrics came to: the last value, and the worst or the range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gramscope.diagnosis import number_of
from gramscope.report.history import History

__all__ = ["MetricSummary", "bad_ends", "summarise", "summary_of"]

_ENDS = {
    "low": {"worst": "smallest"},
    "high": {"worst": "largest"},
    # Which of the two is worse depends on other numbers.
    "both": {"min": "smallest", "max": "largest"},
    None: {},
}


@dataclass(frozen=True)
class MetricSummary:
    """One metric over one run: values, each with the step it is from."""

    final: tuple[int, float] | None
    """At the last logged step; ``None`` if it was not computed there."""
    smallest: tuple[int, float]
    largest: tuple[int, float]

    @property
    def constant(self) -> float | None:
        """The value that it always had; ``None`` if it changed."""
        return self.smallest[1] if self.smallest[1] == self.largest[1] else None


def bad_ends(metric: str) -> dict[str, str]:
    """Headings of a metric's bad ends, by the table of numbers, and what they are of a summary."""
    number = number_of(metric)
    return _ENDS[number.bad if number else "both"]


def summarise(history: History) -> dict[str, MetricSummary]:
    """Every metric of a run by name; the extremes count skipped steps too."""
    logged = history.logged
    last = logged[-1] if logged else None
    metrics = dict.fromkeys(name for e in history.events.values() for name in e.metrics)
    return {metric: summary_of(history.series(metric), last) for metric in metrics}


def summary_of(series: Sequence[tuple[int, float]], last: int | None) -> MetricSummary:
    """One metric of a run.

    Args:
        series: Steps and values, in the order of steps; one at least.
        last: The last logged step, if there is one.
    """
    values = [value for _, value in series]
    return MetricSummary(
        final=next(((s, v) for s, v in reversed(series) if s == last), None),
        smallest=series[values.index(min(values))],
        largest=series[values.index(max(values))],
    )
