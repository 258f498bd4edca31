"""What watching costs the training thread."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable

__all__ = ["Cost"]

_EVENTS_KEPT = 10_000


class Cost:
    """Adds up the seconds of its contexts, event by event, after those of ``seconds``."""

    def __init__(self, seconds: Iterable[float] = ()) -> None:
        self.seconds: deque[float] = deque(seconds, maxlen=_EVENTS_KEPT)
        """Of each of the latest events."""
        self._running = 0.0
        self._entered = 0.0

    def __enter__(self) -> None:
        self._entered = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._running += time.perf_counter() - self._entered

    def end_step(self, *, due: bool) -> None:
        """Count what was added up as an event's if there is one, else forget it."""
        if due:
            self.seconds.append(self._running + time.perf_counter() - self._entered)
        self._running = 0.0
        self._entered = time.perf_counter()

    def milliseconds(self) -> dict[str, float]:
        """``median`` and ``max`` of the latest events; empty before the first."""
        costs = sorted(self.seconds)
        if not costs:
            return {}
        return {"median": costs[len(costs) // 2] * 1e3, "max": costs[-1] * 1e3}
