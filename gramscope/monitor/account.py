"""What became of a monitor's due steps."""

from __future__ import annotations

from collections import Counter
from typing import Any

from gramscope.diagnosis import State
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
        self.diagnosis = "warming_up"
        """Name of the run's state by the latest event that says."""
        self.diagnosis_text = ""
        """What there is to say of it; empty before the first such event."""
        self.diagnoses: list[tuple[int, str]] = []
        """At which steps it changed, and to which."""
        self.memory: str | None = None
        """What the diagnosis knew then, to go on from, as JSON."""
        self._under_way: dict[int, None] = {}

    def __getstate__(self) -> dict[str, Any]:
        """A copy has nothing under way: that ends here."""
        return {**self.__dict__, "_under_way": {}}

    def submitted(self, step: int) -> None:
        """Note a due step whose outcome is to come."""
        self._under_way[step] = None

    def refused(self, reason: Reason) -> None:
        """Note a step that is no event."""
        self.outcomes[reason.name] += 1

    def ended(self, event: Event) -> None:
        """Note an event whose outcome is final."""
        if event.state is not None:  # first, so that what fails here leaves nothing counted twice
            self._diagnosed(event, event.state)
        self._under_way.pop(event.step, None)
        self.outcomes[event.outcome] += 1
        if event.logged and event.reason:
            self.remarks[event.reason] += 1
        self.last_step = max(self.last_step, event.step)
        if event.outcome == Reason.nonfinite.name:
            self.latest = {}
        elif event.metrics:
            self.latest = event.metrics

    def _diagnosed(self, event: Event, state: State) -> None:
        self.diagnosis, self.diagnosis_text = state.name, state.text
        self.memory = event.memory
        if event.change is not None:
            self.diagnoses.append((event.step, state.name))
        event.memory = None

    def state(self) -> dict[str, Any]:
        """For a checkpoint. The events of steps under way belong to the run that saves it."""
        outcomes = dict(self.outcomes)
        if self._under_way:
            outcomes[Reason.in_flight_at_checkpoint.name] = len(self._under_way)
        last_step = max([self.last_step, *self._under_way])
        state = {"outcomes": outcomes, "remarks": dict(self.remarks), "last_step": last_step}
        if self.memory is not None:
            state["diagnosis"] = {
                "name": self.diagnosis,
                "text": self.diagnosis_text,
                "changes": [list(change) for change in self.diagnoses],
                "memory": self.memory,
            }
        return state

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.outcomes = Counter(state.get("outcomes", {}))
        self.remarks = Counter(state.get("remarks", {}))
        self.last_step = state.get("last_step", 0)
        diagnosis = state.get("diagnosis", {})
        self.diagnosis = diagnosis.get("name", "warming_up")
        self.diagnosis_text = diagnosis.get("text", "")
        self.diagnoses = [(step, name) for step, name in diagnosis.get("changes", ())]
        self.memory = diagnosis.get("memory")
