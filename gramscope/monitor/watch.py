"""Follows the state of a run, event by event."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from typing import Any

from gramscope.diagnosis import Diagnosis, State
from gramscope.events import Event
from gramscope.monitor.account import Account
from gramscope.monitor.warn_once import WarnOnce

__all__ = ["Watch", "diagnose"]

log = logging.getLogger(__name__)


class Watch:
    """The diagnosis of one monitor; on rank 0, on the monitor thread.

    Args:
        thresholds: Values other than the defaults, by name.
        wishes: Whether to say, once, what it would need to say more.
        account: Knows what an earlier part of the run has seen, once there is a first event.
    """

    def __init__(
        self, thresholds: Mapping[str, float] | None, account: Account, *, wishes: bool = True
    ) -> None:
        self._thresholds = thresholds
        self._account = account
        self._diagnosis: Diagnosis | None = None
        self._before = State("warming_up")
        self._wished = not wishes

    def update(self, event: Event) -> None:
        """Go on by an event's numbers, and tell it the state that the run is in."""
        diagnosis = self._diagnosis = self._diagnosis or self._begun(event.step)
        state = diagnosis.update(event.step, event.metrics)
        event.memory = json.dumps(diagnosis.memory())  # as it is now, for another thread
        if state.name != self._before.name:
            event.before, event.change = self._before, _as_json(state)
        event.diagnosis, event.state = state.name, state
        self._before = state  # last: a change that could not be told is told with the next event
        self._wish(diagnosis, event.log_key)

    def _begun(self, step: int) -> Diagnosis:
        """A new one, which knows what was before if this goes on from there."""
        diagnosis = Diagnosis(self._thresholds)
        if self._account.memory is not None and step > self._account.last_step:
            diagnosis.recall(json.loads(self._account.memory))
            self._before = diagnosis.state
        return diagnosis

    def _wish(self, diagnosis: Diagnosis, log_key: str) -> None:
        if diagnosis.wish is not None and not self._wished:
            self._wished = True
            log.info("%s: the diagnosis would know more: %s", log_key, diagnosis.wish)


def diagnose(event: Event, watch: Watch | None, warn: WarnOnce) -> None:
    """Tell an event that has numbers the run's state, which may fail."""
    if watch is None or not event.metrics:
        return
    try:
        watch.update(event)
    except Exception as error:  # an event is worth more than its diagnosis
        what = f"{event.log_key} has no diagnosis at step {event.step}: {error!r}"
        warn(f"{event.log_key}: diagnosis", what)


def _as_json(state: State) -> dict[str, Any]:
    evidence = [
        [e.number, e.value if math.isfinite(e.value) else None, e.sign, e.threshold]
        for e in state.evidence
    ]
    return {
        "since": state.since,
        "role": state.role,
        "evidence": evidence,
        "text": state.text,
    }
