"""For how long a run was in which state, as it said itself while it ran."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gramscope.diagnosis import STATES, Diagnosis, Kind, State
from gramscope.events import Event
from gramscope.report.files import plain
from gramscope.report.history import History

__all__ = ["Spell", "spells"]


@dataclass(frozen=True)
class Spell:
    """A state, from one event to the last before another."""

    kind: Kind
    first: int
    """Step of the event that says it first."""
    last: int
    text: str
    """What was said when it began: state, numbers, advice."""

    @property
    def title(self) -> str:
        """The state's name in words."""
        return self.kind.title


def spells(history: History) -> list[Spell]:
    """The states that a run went through; of one that never said any, what its numbers say."""
    events = [event for event in history.events.values() if event.metrics]
    said = [(event.step, *_said(event)) for event in events]
    if not any(kind for _, kind, _ in said):
        said = [*_judged(events)]
    found: list[Spell] = []
    for step, kind, text in said:
        if kind is None:
            continue
        if found and found[-1].kind is kind:
            found[-1] = Spell(kind, found[-1].first, step, found[-1].text)
        else:
            found.append(Spell(kind, step, step, text or kind.sentence.format(of="")))
    return found


def _said(event: Event) -> tuple[Kind | None, str]:
    # Whatever a damaged line holds there.
    kind = STATES.get(event.diagnosis) if isinstance(event.diagnosis, str) else None
    change: Any = event.change
    text = change.get("text") if isinstance(change, Mapping) else None
    return kind, plain(text) if isinstance(text, str) else ""


def _judged(events: list[Event]) -> Iterator[tuple[int, Kind, str]]:
    diagnosis = Diagnosis()
    for event in events:
        state: State = diagnosis.update(event.step, event.metrics)
        yield event.step, state.kind, state.text
