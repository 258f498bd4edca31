"""What a run's metrics came to: the last value and the worst."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gramscope.report.history import History

__all__ = ["Extremes", "MetricSummary", "extremes_of", "format_value", "ordered", "summarise"]


@dataclass(frozen=True)
class Extremes:
    """Which end of a metric is the bad one; if none is known, both are shown."""

    smallest: bool = True
    largest: bool = True
    why: str = ""


# What counts as worst over a run.
_EXTREMES = {
    "offdiag_mean": Extremes(
        smallest=False,
        # All samples alike bring the mean of their similarities to 1. A low mean is no fault.
        why="The largest is the worst: at 1 all samples are one point.",
    ),
    "offdiag_std": Extremes(
        # Between them is where samples differ in degree, as they should.
        why="Both ends can be bad: near 0 at a mean near 1, all samples are one point; "
        "near 1, they are two opposite points.",
    ),
    "offdiag_min": Extremes(
        smallest=False,
        # It rises only when even the most different two samples come together.
        why="The largest is the worst: at 1 even the least similar samples are alike.",
    ),
    "offdiag_max": Extremes(
        smallest=False,
        # Near 1 is normal where rows are views of one sample; at 1 without views: duplicates.
        why="The largest: at 1 two samples are alike, as views of one sample should be.",
    ),
    "nonfinite_rows": Extremes(
        smallest=False,
        # Rows with NaN or Inf are left out, so all other numbers are of fewer samples.
        why="The largest is the worst: rows with NaN or Inf, which are left out of the matrix.",
    ),
}


@dataclass(frozen=True)
class MetricSummary:
    """One metric over one run: values, each with the step it is from."""

    final: tuple[int, float] | None
    """At the last logged step; ``None`` if it was not computed there."""
    smallest: tuple[int, float]
    largest: tuple[int, float]


def extremes_of(metric: str) -> Extremes:
    """Which ends of a metric to show.

    Args:
        metric: Its name; an unknown one is shown with both ends.
    """
    return _EXTREMES.get(metric, Extremes())


def summarise(history: History) -> dict[str, MetricSummary]:
    """Every metric of a run by name; the worst counts skipped steps too.

    Args:
        history: The records of one feature.
    """
    logged = history.logged
    summaries = {}
    for metric in {name for record in history.records.values() for name in record.metrics}:
        series = history.series(metric)
        summaries[metric] = MetricSummary(
            final=next(((s, v) for s, v in series if logged and s == logged[-1]), None),
            smallest=min(series, key=lambda point: point[1]),
            largest=max(series, key=lambda point: point[1]),
        )
    return summaries


def ordered(metrics: Iterable[str]) -> list[str]:
    """Metric names, the known ones first.

    Args:
        metrics: Names, repeated or not.
    """
    known = list(_EXTREMES)
    return sorted(set(metrics), key=lambda m: (known.index(m) if m in known else len(known), m))


def format_value(metric: str, value: float) -> str:
    """A metric's value as text.

    Args:
        metric: Its name.
        value: The value; similarities get three decimals, all else four digits.
    """
    return f"{value:.3f}" if metric.startswith("offdiag_") else f"{value:.4g}"
