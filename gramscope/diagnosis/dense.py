"""At which step patches were grouped best: which snapshot to take as the teacher of gram anchoring.

After the dense-degradation estimate (DSE) of Dai et al., NeurIPS 2025: no labels are asked, so it
is an estimate, and it compares the events of one run only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Any, NamedTuple

__all__ = ["DenseCourse", "Snapshot", "best_snapshot"]

_FEWEST = 3
_ROUNDING = 1e-6
"""Standard deviation up to which the rank is one number."""


@dataclass(frozen=True)
class Snapshot:
    """The event of best dense structure, and what that rests on."""

    step: int
    quality: float
    """``inter - intra + weight * rank``; comparable among the events of one run only."""
    first: tuple[int, float]
    """Step and quality of the first event."""
    last: tuple[int, float]
    """Step and quality of the last event."""
    inter: float
    intra: float
    rank: float

    @property
    def text(self) -> str:
        """All of it in words."""
        return (
            f"step {self.step} (dense quality {self.quality:.2f}: inter {self.inter:.2f}, "
            f"intra {self.intra:.2f}, rank {self.rank:.2f}; first event, step {self.first[0]}: "
            f"{self.first[1]:.2f}; last, step {self.last[0]}: {self.last[1]:.2f})"
        )


class _Event(NamedTuple):
    step: int
    inter: float
    intra: float
    rank: float

    @property
    def apart(self) -> float:
        """How far clusters are from one another, less how far they reach."""
        return self.inter - self.intra

    def quality(self, weight: float) -> float:
        return self.apart + weight * self.rank


class DenseCourse:
    """The dense structure of a run's patches, in little memory.

    The weight of the rank makes its spread over the events that of ``inter - intra``, so each new
    event may change which of the earlier ones was best. Kept are those that any weight can make
    the best, the first and the last. Of step 0 nothing is kept: random weights, whose features are
    spread over most directions, often score well, and what no step has made is no snapshot.

    Example:
        >>> course = DenseCourse()
        >>> for step, inter in ((50, 0.5), (100, 0.9), (200, 0.7)):
        ...     numbers = {"dense_inter": inter, "dense_intra": 0.3, "dense_rank": inter / 2}
        ...     course.update(step, numbers)
        >>> course.best.step
        100
    """

    def __init__(self) -> None:
        self.events = 0
        """Those that had the three terms."""
        self._kept: list[_Event] = []
        self._first: _Event | None = None
        self._last: _Event | None = None
        self._apart = [0.0, 0.0]  # mean, sum of squared deviations
        self._rank = [0.0, 0.0]

    def update(self, step: int, metrics: Mapping[str, float]) -> None:
        """Go on by one event; one without all three terms, or before training, changes nothing."""
        try:
            terms = [float(metrics[f"dense_{term}"]) for term in ("inter", "intra", "rank")]
        except KeyError:
            return
        if step < 1 or not isfinite(sum(terms)):
            return
        event = _Event(step, *terms)
        self.events += 1
        self._first, self._last = self._first or event, event
        self._apart = _with(self._apart, event.apart, self.events)
        self._rank = _with(self._rank, event.rank, self.events)
        self._kept = _outer([*self._kept, event])

    @property
    def _ends(self) -> dict[str, _Event | None]:
        return {"_first": self._first, "_last": self._last}

    @property
    def steps(self) -> tuple[int, ...]:
        """Those that are the best one or may come to be it, whatever follows."""
        return tuple(sorted(event.step for event in self._kept))

    @property
    def best(self) -> Snapshot | None:
        """The best so far, the first of equal ones; ``None`` below three events."""
        if self.events < _FEWEST or self._first is None or self._last is None:
            return None
        weight = self._weight
        best = max(self._kept, key=lambda event: event.quality(weight))
        first, last = ((e.step, e.quality(weight)) for e in (self._first, self._last))
        return Snapshot(best.step, best.quality(weight), first, last, *best[1:])

    @property
    def _weight(self) -> float:
        """What gives the rank the spread of the rest; 0 where it does not change."""
        varies = self._rank[1] > self.events * _ROUNDING**2
        return sqrt(self._apart[1] / self._rank[1]) if varies else 0.0

    def memory(self) -> dict[str, Any]:
        """All of it as JSON has it, for `recall`."""
        ends = {name: event and [*event] for name, event in self._ends.items()}
        return {**vars(self), **ends, "_kept": [[*event] for event in self._kept]}

    @classmethod
    def recall(cls, memory: Mapping[str, Any]) -> DenseCourse:
        """What `memory` gave."""
        course = cls()
        vars(course).update(memory)
        course._kept = [_Event(*event) for event in course._kept]
        course._first, course._last = (e and _Event(*e) for e in course._ends.values())
        return course


def best_snapshot(events: Iterable[tuple[int, Mapping[str, float]]]) -> Snapshot | None:
    """The event of best dense structure, of a run's events in order.

    Args:
        events: Step and numbers of each; those without the three terms are passed over.

    Returns:
        ``None`` below three events.
    """
    course = DenseCourse()
    for step, metrics in events:
        course.update(step, metrics)
    return course.best


def _with(moments: list[float], value: float, count: int) -> list[float]:
    """Mean and sum of squared deviations, with one value more (Welford)."""
    mean = moments[0] + (value - moments[0]) / count
    return [mean, moments[1] + (value - moments[0]) * (value - mean)]


def _outer(events: Iterable[_Event]) -> list[_Event]:
    """Those that some weight of the rank makes the best: the upper right of their convex hull."""
    kept: list[_Event] = []
    for event in sorted(events, key=lambda e: (-e.apart, -e.rank, e.step)):
        if kept and event.rank <= kept[-1].rank:
            continue
        while len(kept) > 1 and _inside(kept[-2], kept[-1], event):
            kept.pop()
        kept.append(event)
    return kept


def _inside(a: _Event, b: _Event, c: _Event) -> bool:
    """Whether ``b`` lies within the line from ``a`` to ``c``, and is best for no weight."""
    return (b.apart - a.apart) * (c.rank - a.rank) < (c.apart - a.apart) * (b.rank - a.rank)
