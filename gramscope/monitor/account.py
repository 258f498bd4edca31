"""What became of a monitor's due steps."""

from __future__ import annotations

from collections import Counter
from typing import Any

from gramscope.events import Event, Reason

__all__ = ["Account"]


class Account:
    """Counts due steps by their outcome, over all fits and resumes of a run; on rank 0."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        """How many ended how: ``logged``, or the reason for skipping."""
        self.remarks: Counter[str] = Counter()
        """What logged events lacked, as a rank's rows or a picture."""
        self.last_step = 0
        """The last due step whose outcome is known, 0 before the first."""
        self.latest: dict[str, float] = {}
        """Numbers of the latest event that has any; empty after one without a finite row."""
        self._under_way: dict[int, None] = {}

    def __getstate__(self) -> dict[str, Any]:
        """A copy has nothing under way: that ends here."""
        return {**self.__dict__, "_under_way": {}}

    def submitted(self, step: int) -> None:
        """Note a due step whose outcome is to come."""
        self._under_way[step] = None

    def ended(self, event: Event) -> None:
        """Note an event whose outcome is final."""
        self._under_way.pop(event.step, None)
        self.outcomes[event.outcome] += 1
        if event.logged and event.reason:
            self.remarks[event.reason] += 1
        self.last_step = max(self.last_step, event.step)
        if event.metrics or event.outcome == Reason.nonfinite.name:
            self.latest = event.metrics

    def state(self) -> dict[str, Any]:
        """For a checkpoint. The events of steps under way belong to the run that saves it."""
        outcomes = dict(self.outcomes)
        if self._under_way:
            outcomes[Reason.in_flight_at_checkpoint.name] = len(self._under_way)
        last_step = max([self.last_step, *self._under_way])
        return {"outcomes": outcomes, "remarks": dict(self.remarks), "last_step": last_step}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.outcomes = Counter(state.get("outcomes", {}))
        self.remarks = Counter(state.get("remarks", {}))
        self.last_step = state.get("last_step", 0)
