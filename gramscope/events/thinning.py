"""Which events keep their pictures and matrices where there is no room for all of them."""

from __future__ import annotations

import bisect
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gramscope.events.event import Event
from gramscope.events.files import directory_of, files_of_steps

__all__ = ["LATEST", "Kept", "Shelf", "spacings"]

LATEST = 8
"""Events of each log key, the latest, that go when no other is left."""

_LATER = 1 << 56  # more than any step: what costs as much goes after all that costs less


class Kept(NamedTuple):
    """An event whose files are kept."""

    step: int
    log_key: str


class Shelf:
    """What is kept below a `save_dir`, and what goes first.

    Under each log key every second event goes, the earliest first, then every second of those that
    are left, and so on: what stays is spread evenly however long a run goes on, and runs of the
    same cadence keep the same steps whatever room they have. Of several log keys the one gives way
    whose events are closest. Events at which the state changed go after all others; the first,
    and the latest, after those. Nothing needs to be known but what is there.
    """

    def __init__(self) -> None:
        self.size = 0
        """Bytes."""
        self.gone = 0
        """Events whose files went for lack of room."""
        self._sizes: Counter[Kept] = Counter()
        self._steps: defaultdict[str, array[int]] = defaultdict(lambda: array("q"))
        self._changes: set[Kept] = set()

    @classmethod
    def of(cls, save_dir: Path, log_keys: Iterable[str], events: Iterable[Event]) -> Shelf:
        """What is there.

        Args:
            save_dir: The directory.
            log_keys: Whose files are looked at, beside those of the events.
            events: Those on record, whose states tell which were changes.

        Raises:
            OSError: If a directory cannot be read.
        """
        shelf = cls()
        events = list(events)
        for log_key in {*log_keys, *(event.log_key for event in events)}:
            for step, file in files_of_steps(directory_of(save_dir, log_key)):
                shelf._add(Kept(step, log_key), file.stat().st_size)
        shelf._changes = {Kept(e.step, e.log_key) for e in events if e.change is not None}
        return shelf

    def put(self, event: Event, size: int) -> None:
        """Add an event's files."""
        kept = Kept(event.step, event.log_key)
        if event.change is not None:
            self._changes.add(kept)
        self._add(kept, size)

    def surplus(self, limit: float) -> Iterator[Kept]:
        """Take off what is too much, one event after the other.

        Args:
            limit: Bytes that may stay.
        """
        while self.size > limit:
            gone = self._first_to_go()
            steps = self._steps[gone.log_key]
            steps.pop(bisect.bisect_left(steps, gone.step))
            self.size -= self._sizes.pop(gone)
            self.gone += 1
            yield gone

    def _add(self, kept: Kept, size: int) -> None:
        if kept not in self._sizes:
            bisect.insort(self._steps[kept.log_key], kept.step)
        self._sizes[kept] += size
        self.size += size

    def _first_to_go(self) -> Kept:
        return min(self._cheapest(log_key) for log_key, of_key in self._steps.items() if of_key)[1]

    def _cheapest(self, log_key: str) -> tuple[int, Kept]:
        steps = np.array(self._steps[log_key])
        costs = self._costs(log_key, steps)
        at = int(costs.argmin())
        return int(costs[at]), Kept(int(steps[at]), log_key)

    def _costs(self, log_key: str, steps: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """What each costs; the cheapest goes first."""
        costs = steps + 2 * _LATER
        end = max(1, len(steps) - LATEST)
        costs[1:end] = spacings(steps)[1:end]
        changes = [event.step for event in self._changes if event.log_key == log_key]
        costs[np.isin(steps, changes)] += _LATER
        return costs


def spacings(steps: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """``[n]``, the widest spacing at which each but the first of ascending steps would be left.

    Of 1, 2, 4 … times what all steps are multiples of: the first at or after a multiple of the
    spacing is left. Where those of the least spacing go first, what stays is spread evenly.
    """
    unit = max(1, int(np.gcd.reduce(steps)))
    counts = steps // unit
    _, bits = np.frexp((counts[1:] ^ counts[:-1]).astype(np.float64))
    widest = unit * (1 << bits.astype(np.int64) >> 1)
    return np.concatenate([[_LATER], widest])
