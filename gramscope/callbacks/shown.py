"""Events' numbers in `trainer.callback_metrics`, and those who look at them there."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Collection, Mapping
from typing import Any

import torch

from gramscope.callbacks.loggers import numbers_of
from gramscope.callbacks.lookers import Looker, lookers
from gramscope.config.callbacks import watching
from gramscope.events import Event

__all__ = ["Shown"]

log = logging.getLogger(__name__)


class Shown:
    """Numbers on their way to where Lightning looks; those who look wait until they are there."""

    def __init__(self) -> None:
        self._lookers: list[Looker] | None = None
        self._fresh: dict[str, float] = {}
        self._asked: dict[str, set[str]] = {}  # by monitor, what its events are to have
        self._said = False

    def hold(self, trainer: Any) -> None:
        """Have those who look wait; the same ones however often this is called."""
        if self._lookers is None:
            self._lookers = lookers(trainer)
        for looker in self._lookers:
            looker.wait()

    def let_go(self) -> None:
        """Give all of them their own settings again."""
        for looker in self._lookers or ():
            looker.go_on()

    def take(self, event: Event, prefix: str) -> None:
        """Take a finished event's numbers, and the step that they are of."""
        if numbers := numbers_of(event):
            named = {**numbers, "step": float(event.step)}
            self._fresh |= {f"{prefix}/{name}": value for name, value in named.items()}
        if event.metrics:
            absent = [name for gone in event.absent.values() for name in gone]
            asked = {f"{prefix}/{name}" for name in (*event.metrics, *absent, "diagnosis", "step")}
            self._asked.setdefault(event.log_key, set()).update(asked)

    def give(self) -> dict[str, float]:
        """What has been taken since the last time."""
        fresh, self._fresh = self._fresh, {}
        return fresh

    def put(self, trainer: Any, numbers: Mapping[str, float]) -> None:
        """Put numbers where Lightning looks; who has waited for one of them goes on."""
        if not numbers:
            return
        shown = trainer.callback_metrics
        shown.update({key: torch.tensor(value) for key, value in numbers.items()})
        for looker in self._lookers or ():
            if looker.key in shown:
                looker.found = True
                looker.go_on()
        self._say_wrong_keys(trainer)

    def end(self, trainer: Any) -> None:
        """Put what came last, and say who has waited until now."""
        late = self.give()
        self._said = True
        for looker in self._lookers or ():
            if looker.decides and not looker.found and _speaks(trainer):
                known = set() if looker.key in late else self._known
                _say(looker, "was never there, so that it has done nothing", known, trainer)
        self.put(trainer, late)

    @property
    def _known(self) -> set[str]:
        return set().union(*self._asked.values())

    def _say_wrong_keys(self, trainer: Any) -> None:
        """Say once which keys no event has, when every monitor has had one."""
        if self._said or len(self._asked) < len(watching(trainer.callbacks)):
            return
        self._said = True
        for looker in self._lookers or ():
            if looker.key not in self._known and not looker.found:
                _say(looker, "is not there", self._known, trainer)


def _speaks(trainer: Any) -> bool:
    return bool(trainer.is_global_zero and not trainer.fast_dev_run)


def _say(looker: Looker, what: str, known: Collection[str], trainer: Any) -> None:
    log.warning("%s, which %s: %s.", looker.what, what, _why(looker.key, known, trainer))


def _why(key: str, known: Collection[str], trainer: Any) -> str:
    """Why a number is not there, and what to write."""
    if not known:
        every = min(callback.config.due_every for callback in watching(trainer.callbacks))
        return (
            f"no event was finished in time, of which one is due every {every} optimizer steps "
            "(`log_every_n_steps`, `metrics_every_n_steps`)"
        )
    if key in known:
        return "no event had a value for it"
    close = difflib.get_close_matches(key, known) or sorted(known)
    return f"no event has such a number; there is {', '.join(close)}"
