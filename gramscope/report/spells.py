"""For how long a run was in which state, as it said itself while it ran."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from gramscope.diagnosis import STATES, Diagnosis, Kind
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
    since: int
    """Step at which it began, as the event that says it found in hindsight."""

    @property
    def title(self) -> str:
        """The state's name in words."""
        return self.kind.title


def spells(history: History) -> list[Spell]:
    """The states that a run went through; of one that never said any, what its numbers say."""
    events = [event for event in history.events.values() if event.metrics]
    found: list[Spell] = []
    for spell in [*_said(events)] or _judged(events):
        if found and found[-1].kind is spell.kind:
            found[-1] = replace(found[-1], last=spell.last)
        else:
            found.append(spell)
    return found


def _said(events: Iterable[Event]) -> Iterator[Spell]:
    for event in events:
        # Whatever a damaged line holds there.
        kind = STATES.get(event.diagnosis) if isinstance(event.diagnosis, str) else None
        change: Any = event.change if isinstance(event.change, Mapping) else {}
        text, since = change.get("text"), change.get("since")
        if kind is not None:
            text = plain(text) if isinstance(text, str) else kind.sentence.format(of="")
            since = since if isinstance(since, int) else event.step
            yield Spell(kind, event.step, event.step, text, since)


def _judged(events: Iterable[Event]) -> Iterator[Spell]:
    diagnosis = Diagnosis()
    for event in events:
        state = diagnosis.update(event.step, event.metrics)
        yield Spell(state.kind, event.step, event.step, state.text, state.since)
