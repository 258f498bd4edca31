"""What all ranks are to know alike: numbers that somebody decides by, and that training ends."""

from __future__ import annotations

import logging
from typing import Any

from typing_extensions import override

from gramscope.callbacks import stopping
from gramscope.callbacks._lightning import Callback
from gramscope.callbacks.lookers import lookers
from gramscope.callbacks.shown import Shown
from gramscope.config.callbacks import watching
from gramscope.events import Event
from gramscope.monitor.boundary import guarded

__all__ = ["Agreement", "Plan"]

log = logging.getLogger(__name__)

Plan = tuple["int | None", bool]
"""Optimizer steps between two meetings, ``None``: there are none; whether numbers are told then."""


class Agreement(Callback):
    """Has numbers shown, and training ended, at the same step on all ranks.

    Rank 0 alone has events, and shows their numbers at once. Only where somebody decides by them
    on several ranks, or where a state is to end training, ranks wait: at due steps rank 0 tells
    all the others what it knows, in one broadcast of training's own. When that is depends on
    `trainer.global_step`, and on an epoch's last batch, so that a rank whose monitor could not
    start takes part in it as well.

    Args:
        plan: Rank 0's, see `plan`.
    """

    def __init__(self, plan: Plan) -> None:
        self._every, self._shares = plan
        self._met = 0
        self._told: tuple[dict[str, float], bool] | None = None
        self._stopped = False
        self._shown = Shown()

    @classmethod
    def plan(cls, trainer: Any) -> Plan:
        """What a trainer's callbacks need."""
        shares = trainer.world_size > 1 and bool(lookers(trainer))
        configs = [callback.config for callback in watching(trainer.callbacks)]
        every = [config.due_every for config in configs if shares or config.stop_on]
        return min(every, default=None), shares

    @classmethod
    def join(cls, trainer: Any, plan: Plan) -> Agreement:
        """Give a trainer its one, and have those who look at numbers wait from then on."""
        found = next((c for c in trainer.callbacks if isinstance(c, cls)), None)
        if found is None:
            found = cls(plan)
            trainer.callbacks.append(found)
        found._shown.hold(trainer)
        return found

    @guarded()
    def take(self, event: Event, prefix: str) -> None:
        """Take a finished event of rank 0's, whose numbers have keys that begin with ``prefix``."""
        self._shown.take(event, prefix)

    @guarded()
    def show(self, trainer: Any) -> None:
        """Show what was taken, unless all ranks are to have it at the same step."""
        if not self._shares:
            self._shown.put(trainer, self._shown.give())

    @override
    @guarded(by="again")
    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._advance(trainer)

    @override
    @guarded()
    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._shown.end(trainer)

    @override
    @guarded(by="leave")
    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._leave(trainer)

    @override
    @guarded(by="leave")
    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self._leave(trainer)

    def recover(self, error: Exception, *_: Any, **__: Any) -> None:
        """Go on; training will see for itself whether its ranks still hear one another."""
        log.warning("What ranks are to know alike met %r.", error)

    def again(self, error: Exception, trainer: Any, *_: Any) -> None:
        """Do what is left to do: a rank that misses a meeting leaves the others waiting."""
        self.recover(error)
        self._advance(trainer)

    def leave(self, error: Exception, trainer: Any, *_: Any) -> None:
        """Be gone all the same."""
        self.recover(error)
        self._leave(trainer)

    def _advance(self, trainer: Any) -> None:
        """Meet if it is time, and do what was told; called again, go on from where it failed."""
        if self._every is None:
            return
        step = trainer.global_step
        due = step // self._every > self._met // self._every
        if due or (self._shares and trainer.is_last_batch and step > self._met):
            news = self._news(trainer, due)
            self._met = step
            self._told = trainer.strategy.broadcast(news, src=0)
        self._hear(trainer)

    @guarded(lambda: ({}, False))
    def _news(self, trainer: Any, due: bool) -> tuple[dict[str, float], bool]:
        stop = due and not self._stopped and stopping.is_asked(trainer)
        self._stopped |= stop
        return self._shown.give() if self._shares else {}, stop

    def _hear(self, trainer: Any) -> None:
        if self._told is None:
            return
        numbers, stop = self._told
        self._shown.put(trainer, numbers)
        self._told = None
        if stop:
            stopping.stop(trainer)

    def _leave(self, trainer: Any) -> None:
        self._shown.let_go()
        # Another list: Lightning is going through this one, and would miss the next callback.
        trainer.callbacks = [c for c in trainer.callbacks if c is not self]
