"""What a run's metrics came to: the last value, and the worst or the range."""

from __future__ import annotations

from dataclasses import dataclass

from gramscope.diagnosis import number_of
from gramscope.report.history import History

__all__ = ["MetricSummary", "bad_ends", "summarise"]

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
    last = logged[-1] if logged else -1
    final = history.events[last].metrics if logged else {}
    summaries = {}
    for metric in dict.fromkeys(name for e in history.events.values() for name in e.metrics):
        series = history.series(metric)
        values = [value for _, value in series]
        summaries[metric] = MetricSummary(
            final=(last, final[metric]) if metric in final else None,
            smallest=series[values.index(min(values))],
            largest=series[values.index(max(values))],
        )
    return summaries
