"""Brings one step's rows together and turns them into an event, away from the training thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

import torch

from gramscope.events import Event, Reason
from gramscope.monitor.assembly import assemble
from gramscope.monitor.due_step import Channel, DueStep
from gramscope.monitor.evaluation import evaluate, look_for_views
from gramscope.monitor.exchange import PATIENCE_S, Exchange
from gramscope.monitor.identity import Known
from gramscope.monitor.numbers import measure
from gramscope.monitor.recorder import Recorder, why_abandoned
from gramscope.monitor.threads import use_one_core
from gramscope.monitor.warn_once import WarnOnce
from gramscope.monitor.watch import diagnose
from gramscope.monitor.wire import Gathered, Rows
from gramscope.monitor.worker import Worker

__all__ = ["Engine"]


class Engine:
    """One monitor thread and one process group for all monitors of a run; ends with the last.

    Its methods belong to the training thread. Only `wait_idle` and `leave`, which are for the
    end of a run, wait for anything. Construct it on every rank at the same point.

    Args:
        max_samples: Largest number of rows of any monitor that will use it.
        timeout_s: Seconds to wait for a picture.
        patience_s: Seconds to wait for a peer, which costs training nothing.
        name: Alike on all ranks and different from other engines'; ``None``: the how many-th.
    """

    def __init__(
        self,
        max_samples: int,
        timeout_s: float = 60.0,
        patience_s: float = PATIENCE_S,
        name: str | None = None,
    ) -> None:
        self.exchange = Exchange(max_samples, patience_s, name)
        self.warn = WarnOnce(logging.WARNING if self.exchange.is_root else logging.INFO)
        self._recorder = Recorder(timeout_s, self.warn) if self.exchange.is_root else None
        self._worker: Worker[DueStep] = Worker(
            self._work,
            self._abandon,
            retry=lambda due: not due.exchanged,
            name="gramscope-monitor",
            last=self.exchange.close,
        )
        self._users = 0
        self._closed = False
        try:
            self._start()
        except BaseException:  # nobody has it yet who could end what has started
            self.leave(for_all=True)
            raise

    def _start(self) -> None:
        if self._recorder is not None:
            self._recorder.start()
        if self.exchange.is_member:
            self._worker.start(self._begin, self.exchange.open)

    def join(self) -> None:
        """Count one more user."""
        self._users += 1

    def submit(self, due: DueStep, max_pending: int) -> None:
        """Hand over one due step, without its rows if ``max_pending`` others still wait.

        The step itself stays in line, because every rank must come to the same exchanges.
        """
        channel = due.channel
        waiting = self._worker.waiting(lambda d: d.channel is channel and d.has_rows)
        if due.has_rows and waiting >= max_pending:
            self.warn(f"{channel.log_key}: backlog", _how_to_keep_up(due, max_pending))
            due = DueStep(channel, due.step, Reason.backlog, draw=due.draw)
        self._worker.put(due)

    def record(self, channel: Channel, event: Event) -> None:
        """Let go of the data of an event whose outcome is final, and have it accounted for."""
        event.matrix = event.prepared = event.film = None
        event.published = True
        if self._recorder is not None:
            self._recorder.put(channel, event)

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until everything handed over has come to its end; whether it has."""
        return self._worker.wait_idle(timeout_s) and (
            self._recorder is None or self._recorder.wait_idle(timeout_s)
        )

    def leave(self, *, for_all: bool) -> None:
        """Count one user less; the last, or ``for_all``, ends threads, helper process and group."""
        self._users -= 1
        if self._closed or (self._users > 0 and not for_all):
            return
        self._closed = True
        with ExitStack() as ends:  # each whatever happens to the others, the last one first
            if self._recorder is not None:
                ends.callback(self._recorder.close)
            ends.callback(self._end_worker)
            ends.callback(self.exchange.stop)

    def _end_worker(self) -> None:
        if self._worker.close():
            self.exchange.close()

    def _abandon(self, due: DueStep, error: Exception | None) -> None:
        if error is not None:
            self.warn(Reason.event_failed.name, f"Step {due.step} gives no event: {error!r}")
        if not due.answered and not self._closed:  # peers wait for a dead thread
            self._excuse(due, error)
        if self._recorder is not None:
            event = self._event(due)
            event.skip(why_abandoned(self._closed, error))
            self._recorder.put(due.channel, event)

    def _excuse(self, due: DueStep, error: Exception | None) -> None:
        if self._worker.given_up:
            self.exchange.stop()
        else:
            why = "the monitor thread died" if error is None else repr(error)
            self.exchange.hang_up(why, missed=not due.exchanged)

    # From here on: the monitor thread.

    def _begin(self) -> None:
        _warm_up()
        if self.exchange.shares_store:  # not while training uses it
            self.exchange.open()

    def _work(self, due: DueStep) -> Callable[[], None] | None:
        channel = due.channel
        with torch.no_grad():
            rows = self._rows(due)
            due.exchanged = True
            gathered = self.exchange.gather(
                channel.log_key, due.step, rows, roles=len(channel.features), reason=due.reason
            )
            due.answered = True
            event = None if gathered is None else self._evaluated(due, gathered)
        # Rows that were copied on the host, unless a call that was broken off may yet read them.
        if due.ready is None and not self.exchange.lost:
            for role, pool in channel.pools.items():
                pool.give_back([c.features[role] for c in due.chunks if role in c.features])
        if event is None or self._recorder is None:
            return None
        return partial(self._recorder.put, channel, event)

    def _rows(self, due: DueStep) -> Rows | None:
        """This rank's rows; sets the reason if there are none."""
        if due.reason:
            return None
        try:
            if due.ready is not None:
                due.ready()
            rows = assemble(due)
            self._warn_of_oddities(due)
            if rows is None:
                due.reason = Reason.no_rows if due.quota else Reason.none
            return rows
        except Exception as error:
            what = f"The rows of step {due.step} could not be copied: {error!r}"
            self.warn(Reason.copy_failed.name, what)
            due.reason = Reason.copy_failed
        return None

    def _warn_of_oddities(self, due: DueStep) -> None:
        for remark in due.remarks:
            key = due.channel.log_key
            self.warn(f"{key}: {remark}", f"{key} at step {due.step}: {remark}")

    def _event(self, due: DueStep) -> Event:
        channel = due.channel
        world_size = self.exchange.world_size
        event = Event(due.step, channel.log_key, channel.key, world_size, drawn=due.draw)
        event.name = channel.title
        return event

    def _evaluated(self, due: DueStep, gathered: Gathered) -> Event:
        event = self._event(due)
        evaluate(event, due, gathered, self.warn)
        diagnose(event, due.channel.watch, self.warn)
        look_for_views(due)
        return event


def _warm_up() -> None:
    """Prepare the monitor thread, so that the first event is no slower than the others."""
    use_one_core()
    nobody = torch.zeros(4, dtype=torch.int32, device="cpu")
    identity = Known(nobody, nobody, None, None, None, None)
    due = DueStep(Channel({"": ""}, ""), 0)
    measure(due, {"": torch.eye(4, dtype=torch.float32, device="cpu")}, identity)


def _how_to_keep_up(due: DueStep, max_pending: int) -> str:
    features = next(iter(due.chunks[0].features.values()))
    rows, dim = len(features) * len(due.chunks), features.shape[1]
    return (
        f"{due.channel.log_key} cannot keep up: at step {due.step} the rows of {max_pending} steps "
        f"still wait. Raise log_every_n_steps, lower max_samples (this rank gives {rows} rows), or "
        f"watch features of less than {dim} dimensions"
    )
