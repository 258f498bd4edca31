"""What callbacks that watch a representation have in common: hooks, account, publishing."""

from __future__ import annotations

import copy
import logging
import secrets
from collections import Counter
from multiprocessing.util import Finalize
from typing import Any

from typing_extensions import override

from gramscope.callbacks._lightning import Callback, rank_zero_info
from gramscope.callbacks.agreement import Agreement, Plan
from gramscope.callbacks.cadence import Cadence
from gramscope.callbacks.cost import Cost
from gramscope.callbacks.ending import Ending
from gramscope.callbacks.findings import findings, last_numbers, verdict
from gramscope.callbacks.fit import Fit
from gramscope.callbacks.loggers import Publisher
from gramscope.callbacks.meeting import make_engine, root_of, said_if_long
from gramscope.callbacks.monitors import (
    directory_for,
    monitor_for,
    publisher_for,
    warn_of_directory,
)
from gramscope.callbacks.parcel import Parcel
from gramscope.callbacks.rehearsal import Rehearsal
from gramscope.callbacks.saying import say
from gramscope.callbacks.seen import Seen
from gramscope.callbacks.source import FeatureSource
from gramscope.callbacks.step_fit import StepFit
from gramscope.config import reminder
from gramscope.config.callbacks import Capture, MonitorConfig, watching
from gramscope.config.names import names, same
from gramscope.diagnosis import State
from gramscope.events import Event
from gramscope.events.files import directory_of
from gramscope.monitor import Engine, Monitor
from gramscope.monitor.boundary import guarded
from gramscope.monitor.link import stay_away

__all__ = ["MonitorCallback"]

log = logging.getLogger(__name__)

_ATTACHED = "gramscope: {} asks for {}, which this Trainer now watches."

_STOPPED = (
    "Training is stopped at step %d on all ranks, as `stop_on` asks: %s since step %d. "
    "Checkpoint: %s"
)

_LIGHTNINGS = ("log", "log_dict")
"""What Lightning adds to a callback of a trainer: both hold that trainer."""

_LAST_S = 5.0
"""Seconds to wait for the last events after an exception: a scheduler may be about to kill us."""


class MonitorCallback(Callback):
    """Watches a representation during `fit`, and hands what it sees to the trainer's loggers.

    All such callbacks of a trainer share one engine, which the first of them makes.
    """

    def __init__(self, config: MonitorConfig) -> None:
        super().__init__()
        self.config = config
        self.engine: Engine | None = None
        """The first callback's is that of all; ``None`` outside of fits."""
        self.attached: str | None = None
        """What asked for it, where the program has not given it to its trainer itself."""
        self._seen_here = Seen(names([config])[0])
        self._parcel = Parcel()
        self._root = ""
        self._meeting = ""
        self._plan: Plan = (None, False)
        self._said: set[str] = set()
        self._monitor: Monitor | None = None
        self._fit: Fit | None = None

    @property
    def _seen(self) -> Seen:
        """Also what a copy of this callback saw in a process that a launcher started."""
        if self._fit is None and self._parcel.is_mine:
            self._receive()
        return self._seen_here

    def _receive(self) -> None:
        if (text := self._parcel.read()) is not None:
            self._seen_here = Seen.from_json(text)

    @property
    @guarded(dict)
    def latest(self) -> dict[str, float]:
        """Numbers of the latest event, by name.

        Empty before the first, after one whose rows were all NaN or Inf, and on other ranks.
        """
        return dict(self._seen.account.latest)

    @property
    @guarded(list)
    def findings(self) -> list[tuple[str, str]]:
        """The diagnosis, and what the latest numbers say of each feature: rank, views if known."""
        account = self._seen.account
        found = verdict(account.diagnosis, account.diagnosis_text)
        return found + findings(self.config, account.latest)

    @property
    @guarded(lambda: "warming_up")
    def diagnosis(self) -> str:
        """Name of the run's present state; `warming_up` before the first event; rank 0 only."""
        return self._seen.account.diagnosis

    @property
    @guarded(list)
    def diagnoses(self) -> list[tuple[int, str]]:
        """Steps at which the state changed, and to which; rank 0 only."""
        return list(self._seen.account.diagnoses)

    @property
    @guarded(str)
    def stopped(self) -> str:
        """Name of the state because of which the last fit was stopped, if it was; rank 0 only."""
        return self._seen.stopped

    @property
    @guarded(dict)
    def outcomes(self) -> dict[str, int]:
        """How many due steps ended how: ``logged``, or the reason for skipping; rank 0 only."""
        return dict(self._seen.account.outcomes)

    @property
    @guarded(int)
    def last_step(self) -> int:
        """The last due step whose outcome is known, 0 before the first; rank 0 only."""
        return self._seen.account.last_step

    @property
    @guarded(list)
    def pictures(self) -> list[str]:
        """Directories where this callback keeps pictures."""
        pictures = self._seen.pictures
        return [str(pictures)] if pictures and pictures.is_dir() else []

    @property
    @guarded(dict)
    def overhead_ms(self) -> dict[str, float]:
        """What an event costs this rank's training thread: ``median`` and ``max``, milliseconds.

        Taking and handing over the rows counts, loggers do not. Empty before the first event.
        Log it like any numbers, for example from a module:
        ``self.log_dict({f"overhead_ms/{name}": ms for name, ms in callback.overhead_ms.items()})``.
        """
        return self._seen.cost.milliseconds()

    @property
    @guarded(str)
    def summary(self) -> str:
        """One line on what became of the due steps and what they cost the training thread."""
        skipped = Counter(self.outcomes)
        logged = skipped.pop("logged", 0)
        line = f"{self._seen.names.title}: {logged} logged{_counts(self._seen.account.remarks)}"
        line += f", {skipped.total()} skipped{_counts(skipped)}"
        if cost := self.overhead_ms:
            line += f"; training thread {cost['median']:.2f} ms an event (median)"
            line += f", {cost['max']:.2f} ms (max)"
        if numbers := last_numbers(self.latest):
            line += f"; last numbers: {numbers}"
        return f"{line}; diagnosis {self.diagnosis}" if self._seen.account.memory else line

    @property
    @override
    @guarded(lambda: "MonitorCallback")
    def state_key(self) -> str:
        """Tells the checkpointed states of several callbacks apart."""
        config = self.config
        return self._generate_state_key(
            **_of_what(config),
            log_key=config.log_key,
            module=config.module,
            **({} if config.name is None else {"name": config.name}),
            log_every_n_steps=config.log_every_n_steps,
            max_samples=config.max_samples,
            capture=config.capture,
            **({"attached": True} if self.attached else {}),  # its twin may be there, see `setup`
        )

    @override
    @guarded(dict)
    def state_dict(self) -> dict[str, Any]:
        # The cadence follows the trainer's `global_step`. Files of a program that does not know of
        # this callback are to hold nothing of it.
        return {} if self.attached else self._seen.account.state()

    @override
    @guarded()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._seen.account.load(state_dict)

    @override
    @guarded()
    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        reminder.met()
        if self.attached and stage == "fit":
            self._introduce(trainer)
        # A forked process goes on from an earlier one's, if the process that forked has not yet.
        if trainer.is_global_zero:
            self._receive()

    def _introduce(self, trainer: Any) -> None:
        """Say where this comes from; or go, if the program has added the same after all."""
        mine, others = self.config, [c for c in watching(trainer.callbacks) if not c.attached]
        if any(same(mine, other.config) for other in others):
            trainer.callbacks = [c for c in trainer.callbacks if c is not self]
        else:
            rank_zero_info(_ATTACHED.format(self.attached, mine.what))

    @override
    @guarded(by="stay_off")
    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        if self._fit is None:
            self._meet(trainer)
            self._fit = self._start(trainer, pl_module)

    @override
    @guarded()
    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if self._fit is not None:
            self._fit.start(trainer)
            self._fit.monitor.goes_on_from(trainer.global_step)

    @override
    @guarded()
    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._fit is not None:
            self._fit.begin_batch(trainer, pl_module, batch, batch_idx)

    @override
    @guarded()
    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._fit is not None:
            self._fit.end_batch(trainer, outputs)
            self._publish(self._fit, self._fit.monitor.finished())
            self._fit.agreement.show(trainer)

    @override
    @guarded()
    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        # The optimizer step under way was the epoch's last.
        if self._fit is not None:
            self._fit.pause()

    @override
    @guarded()
    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        try:
            if self._fit is not None:
                self._fit.conclude()
        finally:
            self.finish()

    @override
    @guarded()
    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        # Emergency checkpoints come first; see `Ending`.
        if self._fit is not None:
            self._fit.pause()
            self._fit.monitor.finished()

    @override
    @guarded()
    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self.finish()

    def stay_off(self, error: Exception, trainer: Any, *_: Any) -> None:
        """Meet as the other ranks do after a start that failed, and tell them not to wait."""
        self._say("stays off: it could not start:", error)
        self._meet(trainer)
        engine = next((c.engine for c in watching(trainer.callbacks) if c.engine), None)
        if engine is not None:
            engine.exchange.stop()
        elif trainer.world_size > 1 and self._meeting:
            stay_away(trainer.global_rank, self._meeting)

    def recover(self, error: Exception, trainer: Any = None, *_: Any, **__: Any) -> None:
        """Bring things in order after something failed: a step that is due ends as skipped."""
        self._say("goes on without a step's rows at most, after", error)
        if self._fit is not None and trainer is not None:
            self._fit.fail(trainer, error)

    def _say(self, what: str, error: Exception) -> None:
        """Warn of each kind of failure once, with where it came from."""
        kind = f"{what} {error!r}"
        level = logging.DEBUG if kind in self._said else logging.WARNING
        self._said.add(kind)
        log.log(level, "%s %s", type(self).__name__, kind, exc_info=error)

    def give_up(self) -> None:
        """Be off for the rest of the fit; peers need not wait for this rank."""
        self._fit = None
        if self._monitor is not None:
            self._monitor.give_up()

    def __getstate__(self) -> dict[str, Any]:
        """A copy or a pickle is a callback that has not started."""
        started = {"engine": None, "_monitor": None, "_fit": None, "_root": "", "_meeting": ""}
        seen, parcel = copy.deepcopy(self._seen), copy.copy(self._parcel)
        own = {name: value for name, value in self.__dict__.items() if name not in _LIGHTNINGS}
        return {**own, **started, "_seen_here": seen, "_parcel": parcel}

    def _meet(self, trainer: Any) -> None:
        """What all ranks do together before a fit, once, whatever happens on one of them."""
        if not self._meeting:
            mine = (root_of(trainer), secrets.token_hex(4), Agreement.plan(trainer))
            with said_if_long(trainer.global_rank, self.config.what):
                told = trainer.strategy.broadcast(mine, src=0)
            self._root, self._meeting, self._plan = told
        Agreement.join(trainer, self._plan)  # whatever fails from here on, this rank takes part

    def _start(self, trainer: Any, pl_module: Any) -> Fit | None:
        siblings = watching(trainer.callbacks)
        configs = [callback.config for callback in siblings]
        first = next(callback for callback in siblings if callback.takes_part(trainer))
        if first is self:
            trainer.callbacks.append(Ending())
            self.engine = make_engine(trainer, configs, self._meeting)
            self.engine.join()  # until the end, though this callback itself may not start
        engine = first.engine
        if engine is None:  # the first could not start, and has said so
            return None
        seen = self._seen
        seen.names, seen.cost, seen.stopped = names(configs)[siblings.index(self)], Cost(), ""
        publisher = publisher_for(self.config, trainer.loggers, seen.names)
        self._monitor = self._make_monitor(trainer, engine, publisher)
        return self._make_fit(
            trainer,
            pl_module,
            monitor=self._monitor,
            publisher=publisher,
            agreement=Agreement.join(trainer, self._plan),
            cadence=Cadence(self.config.log_every_n_steps, self.config.metrics_every_n_steps),
            cost=seen.cost,
            at_exit=Finalize(None, self.break_off, exitpriority=0),
        )

    def takes_part(self, trainer: Any) -> bool:
        """Whether it watches what a trainer is doing."""
        return bool(trainer.state.fn == "fit")

    def _make_fit(self, trainer: Any, pl_module: Any, **parts: Any) -> Fit:
        """What takes rows, and hands them over."""
        config, monitor = self.config, parts["monitor"]
        source = FeatureSource(trainer, pl_module, config, monitor, parts["cost"])
        extra = config.capture == Capture.extra_forward.value
        rehearsal = Rehearsal(source, monitor, extra=extra)
        return StepFit(source=source, rehearsal=rehearsal, **parts)

    def _own_parts(self) -> dict[str, Any]:
        """What its monitor has that others' have not."""
        return {}

    def _make_monitor(self, trainer: Any, engine: Engine, publisher: Publisher) -> Monitor:
        config, seen = self.config, self._seen
        log_key = seen.names.log_key
        save_dir = directory_for(config, trainer.loggers, self._root)
        if save_dir is not None and config.save_dir is None and trainer.is_global_zero:
            warn_of_directory(log_key, save_dir, self._root)
        seen.pictures = save_dir and directory_of(save_dir, log_key)
        shared = {"account": seen.account, "engine": engine, **self._own_parts()}
        return monitor_for(config, publisher, seen.names, save_dir, **shared)

    def _publish(self, fit: Fit, events: list[Event]) -> None:
        for event in events:
            if event.state is not None and event.state.name in self.config.stop_on:
                fit.end = fit.end or event.state
            fit.agreement.take(event, self._seen.names.prefix)

    @property
    def asks_to_stop(self) -> State | None:
        """The state because of which training is to end; ``None``: it may go on; on rank 0."""
        return None if self._fit is None else self._fit.end

    def say_stop(self, step: int, checkpoint: str) -> None:
        """Say why training ends, where it is this callback that wants it to."""
        if (state := self.asks_to_stop) is not None:
            self._seen.stopped = state.name
            of = self._seen.names.title if "" in self.config.watched else self.config.name
            why = ": ".join(filter(None, (of, state.title)))
            log.warning(_STOPPED, step, why, state.since, checkpoint)

    def break_off(self) -> None:
        """End after an exception."""
        patience = min(_LAST_S, self.config.timeout_s)
        log.info("Waiting up to %g s for the last events of training.", patience)
        self.finish(patience)

    def finish(self, timeout_s: float | None = None) -> None:
        """End this fit's watching: wait for what is under way, and publish it.

        Args:
            timeout_s: How long to wait; ``None``: as the settings say.
        """
        fit, self._fit = self._fit, None
        engine, self.engine = self.engine, None
        monitor, self._monitor = self._monitor, None
        self._root = self._meeting = ""
        last: list[Event] = []
        try:
            if fit is not None:
                fit.stop()
        finally:
            if monitor is not None:
                last = monitor.close(timeout_s)
            if engine is not None:
                engine.leave(for_all=False)
        if monitor is not None and monitor.is_root:
            say(self.summary)
            self._parcel.send(self._seen.as_json())
        if fit is not None:
            self._publish(fit, last)


def _of_what(config: MonitorConfig) -> dict[str, Any]:
    """Of a single feature as checkpoints have always had it."""
    watched = config.watched
    return {"feature_key": watched[""]} if "" in watched else {"features": watched}


def _counts(counted: Counter[str]) -> str:
    """In brackets what there is, the most frequent first, and how often."""
    named = [f"{what} {n}" for what, n in counted.most_common(3)]
    return f" ({', '.join([*named, '…'][: len(counted)])})" if counted else ""
