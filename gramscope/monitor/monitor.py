"""The monitor of one feature, or of several: what a training loop talks to."""

from __future__ import annotations

import atexit
import logging
import operator
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gramscope.config.callbacks import GramMatrixConfig, RepresentationMonitorConfig
from gramscope.config.settings import checked, settings
from gramscope.events import Event, Reason
from gramscope.monitor.account import Account
from gramscope.monitor.boundary import guarded
from gramscope.monitor.capture import StepCapture
from gramscope.monitor.due_step import Channel, DueStep, Measure
from gramscope.monitor.engine import Engine
from gramscope.monitor.features import FeatureError
from gramscope.monitor.finder import ViewFinder
from gramscope.monitor.finder import look as look_at
from gramscope.monitor.place import Place, require_own_pictures
from gramscope.monitor.transfer import to_host
from gramscope.monitor.watch import Watch
from gramscope.picture.look import Look

if TYPE_CHECKING:
    from gramscope.picture.strip import Strip

__all__ = ["Monitor"]

log = logging.getLogger(__name__)

_TOO_EARLY = (
    "WORLD_SIZE is %s, and there is no process group yet: this monitor takes itself for the only "
    "one. Make it after torch.distributed.init_process_group."
)

_ALONE_S = 1.0
"""Seconds to make events of this rank's rows alone, once the time to wait is up."""


class Monitor:
    """Watches one feature of a training run, or several of the same rows.

    In a plain PyTorch loop, with or without `torch.distributed`, on every rank alike::

        monitor = Monitor("embedding", max_samples=128, save_dir="gram")
        for step, batch in enumerate(loader, start=1):
            embedding = model(batch)  # [N, D]
            ...
            if step % 100 == 0:
                monitor.observe(step=step, features=embedding)
            for event in monitor.finished():  # on rank 0; empty elsewhere
                print(event.step, event.status, event.metrics)
        for event in monitor.close():
            print(event.step, event.status, event.metrics)

    `observe` copies the selected rows and returns; what it cannot use becomes a skipped event.
    docs/plain-loop.md has more: other loggers, several ranks, a run that is resumed.

    Args:
        feature_key: Name of the feature in titles and events; of several features a mapping
            from their roles (``teacher_head``) to their keys.
        max_samples: Rows of an event, spread evenly over all ranks.
        name: What it is called in titles, events and messages; ``None``: the feature key.
        pool: How features of more than two dimensions become ``[N, D]``: ``"cls"`` (token 0 of
            ``[N, T, D]``), a token's index, ``"mean"`` (over tokens, or positions of
            ``[N, H, W, D]``), ``"gap"`` (over the positions of ``[N, C, …]``), ``"flatten"``.
        views: How many views of each sample the rows hold, stacked, or `Views`, or a mapping
            ``{"count": 2, "layout": "interleaved"}``; sampling is then by sample.
        metrics: Which numbers: ``"standard"``, ``"gram"`` or a list of names.
        look: Order, colours and panels of the pictures.
        thresholds: Values of the diagnosis other than its defaults, by name.
        log_key: Name of the picture in events and on disk.
        save_dir: Where events are kept as files (rank 0 only); ``None``: nowhere. It stays there
            when the working directory changes. What it holds of another run is moved aside when
            the first event is written.
        save_limit_mb: Megabytes that pictures and matrices there may take, above 0; beyond it they
            are thinned, evenly. ``None``: no bound.
        max_pending: Events that may wait before new ones are skipped.
        timeout_s: Seconds to wait for a picture, and for everything in `close`; a peer has
            longer, see `Engine`.
        publish: Called with each event as `finished` takes it, before it is accounted for; it may
            call `Event.skip` or `Event.remark`. ``Event.png`` holds the picture.
        prepare: Called with each drawn event on a thread of the monitor's, for what is slow in
            passing it on; its result comes as `Event.prepared`.
        account: Where events are counted; ``None``: an account of its own.
        engine: One to share with other monitors; ``None``: its own. Construct it on every rank at
            the same point, because ranks meet there.
        measure: Makes numbers and matrix of an event's rows; ``None``: those of any rows.
        strip: Keeps the frames of a film of the events' pictures; ``None``: there is none.

    Raises:
        ValueError: If a value is out of range, or another monitor has the same ``log_key`` and
            ``save_dir``.
        TypeError: If one is of the wrong type.
    """

    def __init__(
        self,
        feature_key: str | Mapping[str, str] = "features",
        max_samples: int = 128,
        *,
        name: str | None = None,
        pool: str | int = "cls",
        views: Any = None,
        metrics: str | Sequence[str] = "standard",
        look: Look | None = None,
        thresholds: Mapping[str, float] | None = None,
        log_key: str = "gram_matrix",
        save_dir: str | Path | None = None,
        save_limit_mb: float | None = 1000.0,
        max_pending: int = 8,
        timeout_s: float = 60.0,
        publish: Callable[[Event], None] | None = None,
        prepare: Callable[[Event], Any] | None = None,
        account: Account | None = None,
        engine: Engine | None = None,
        measure: Measure | None = None,
        strip: Strip | None = None,
    ) -> None:
        given = checked(
            GramMatrixConfig,
            max_samples=max_samples,
            name=name,
            pool=pool,
            views=views,
            metrics=metrics,
            thresholds=thresholds,
            log_key=log_key,
            save_dir=save_dir,
            save_limit_mb=save_limit_mb,
            max_pending=max_pending,
            timeout_s=timeout_s,
        )
        self.account = account or Account()
        self._views, self._pool = given["views"], given["pool"]
        self._channel = Channel(
            _features(feature_key),
            log_key,
            given["name"] or "",
            given["metrics"],
            _look(look),
            prepare=prepare,
            measure=measure,
            strip=strip,
        )
        if save_dir is not None:
            require_own_pictures(Path(save_dir).absolute(), log_key, self._channel.title)
        self._max_pending = max_pending
        self._timeout_s = given["timeout_s"]
        self._save_limit_mb = given["save_limit_mb"]
        self._publish = publish
        self._engine = engine or _own_engine(max_samples, self._timeout_s)
        self._max_samples = max_samples
        self._quota = self._engine.exchange.quota(max_samples)
        if self.is_root:
            of_rows = measure is None  # those of fixed samples are no views
            self._channel.watch = Watch(given["thresholds"], self.account, wishes=of_rows)
            self._channel.finder = ViewFinder() if of_rows and self._views is None else None
        if save_dir is not None:
            self.keep_in(Path(save_dir))
        self._last = -1
        self._closed = False
        self._process = os.getpid()
        atexit.register(self._close_at_exit)  # for loops that end without it
        self._engine.join()  # last: what fails before it leaves no user who does not leave

    @property
    def title(self) -> str:
        """What it watches, in a word."""
        return self._channel.title

    @property
    def outcomes(self) -> Counter[str]:
        """How many due steps ended how: ``logged``, or the reason for skipping."""
        return self.account.outcomes

    @property
    def diagnosis(self) -> str:
        """Name of the run's present state; `warming_up` before the first event, and elsewhere."""
        return self.account.diagnosis

    @property
    def diagnoses(self) -> list[tuple[int, str]]:
        """Steps at which the state changed, and to which; on rank 0."""
        return list(self.account.diagnoses)

    @property
    def wants_rows(self) -> bool:
        """Whether this rank gives rows at all; in a very large job most do not."""
        return self._quota > 0

    @property
    def is_root(self) -> bool:
        """Whether events come back on this rank."""
        return self._engine.exchange.is_root

    @guarded()
    def keep_in(self, directory: Path) -> None:
        """Keep events as files there, even if that cannot be written to; before the first step."""
        channel = self._channel
        of = (channel.log_key, channel.title, self._save_limit_mb)
        channel.place = Place(directory.absolute(), *of)

    def goes_on_from(self, step: int) -> None:
        """Say which step the run goes on from, 0 if it is a new one; before the first step."""
        if self._channel.place is not None:
            self._channel.place.start = step

    def adds(self) -> None:
        """Say that events are added to those of a run, whatever their steps; before the first."""
        if self._channel.place is not None:
            self._channel.place.adds = True

    @guarded(dict)
    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint: the account and what the diagnosis knows; on rank 0."""
        return self.account.state()

    @guarded()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the run that has saved `state_dict`; before the first step."""
        self.account.load(dict(state))
        self.goes_on_from(self.account.last_step)

    def share(self, samples: int) -> range:
        """Which of so many samples, at most ``max_samples``, this rank is to give."""
        return self._engine.exchange.share(min(samples, self._max_samples))

    def capture(
        self, micro_batches: int = 1, *, bare_tensor: bool = False, whole: bool = False
    ) -> StepCapture:
        """A collector for this rank's share of the rows of one step, for `submit`.

        Args:
            micro_batches: How many micro-batches the step is expected to have.
            bare_tensor: Whether an output that is itself a tensor counts as the features.
            whole: Whether what will be offered is this rank's share, and all of it is taken.
        """
        channel = self._channel
        looks = channel.finder is not None and not channel.finder.done and not whole
        capture = StepCapture(
            channel.features,
            sys.maxsize if whole else self._samples,
            micro_batches,
            pool=self._pool,
            bare_tensor=bare_tensor,
            pools=channel.pools,
            look=look_at if looks else None,
        )
        capture.begin_micro_batch(dict.fromkeys(channel.features, self._views))
        return capture

    def _samples(self, views: int) -> int:
        """How many samples this rank gives, of so many views each."""
        return self._engine.exchange.quota(max(1, self._max_samples // views))

    @guarded()
    def observe(
        self,
        *,
        step: int,
        features: Tensor | npt.NDArray[Any] | Mapping[str, Any],
        sample_id: Any = None,
        label: Any = None,
        draw: bool = True,
    ) -> None:
        """Watch one step; every rank must call it for the same steps.

        Args:
            step: Optimizer step; has to grow over the whole run.
            features: ``[N, D]``, or of more dimensions by ``pool``, on any device; or a mapping
                that holds them under ``feature_key``.
            sample_id: Integers or texts, of each row or of each sample: rows with the same are of
                one sample.
            label: Integers or texts, of each row or of each sample.
            draw: Whether a picture is wanted, beside the numbers.
        """
        if (refusal := self._refusal(step)) is not None:
            self._warn(refusal.reason, f"step {step!r}", refusal)
            if self.is_root:
                self.account.refused(refusal.reason)
            return
        self._last = operator.index(step)
        capture = self.capture(bare_tensor=True)
        marks = {"sample_id": sample_id, "label": label}
        capture.begin_micro_batch(
            dict.fromkeys(self._channel.features, self._views),
            {name: value for name, value in marks.items() if value is not None},
        )
        if isinstance(features, np.ndarray):
            features = torch.from_numpy(features)
        if not capture.offer(features) and not isinstance(features, Mapping):
            capture.fail(_nothing_in(features, self._channel.features))
        capture.end_micro_batch()
        self.submit(self._last, capture, draw=bool(draw))

    def _refusal(self, step: Any) -> FeatureError | None:
        """Why a step cannot be watched, on every rank alike."""
        if self._closed:
            return FeatureError(Reason.closed, "the monitor has been closed")
        try:
            number = -1 if isinstance(step, bool) else operator.index(step)
        except TypeError:
            number = -1
        if number < 0:
            return FeatureError(Reason.bad_step, "a step has to be a whole number from 0")
        if number > self._last:
            return None
        return FeatureError(
            Reason.bad_step,
            f"step {self._last} has been observed before, and steps have to grow over the whole "
            "run, not start anew with each epoch",
        )

    def submit(
        self, step: int, taken: StepCapture | Exception | None, *, draw: bool = True
    ) -> None:
        """Hand over what was captured; every rank must call it for the same steps.

        Args:
            step: Optimizer step.
            taken: This rank's rows, or why there are none; ``None`` if the step was due but not
                foreseen.
            draw: Whether a picture is wanted, beside the numbers.
        """
        if self.is_root:
            self.account.submitted(step)
        if self._engine.exchange.is_member:
            due = self._due_step(step, taken)
            due.draw = draw
            self._engine.submit(due, self._max_pending)

    def rehearsed(self, step: int, taken: StepCapture) -> None:
        """Say what is wrong with a step's rows; the step is not due, and counts nowhere."""
        if taken.error is not None:
            self._warn(taken.error.reason, f"step {step}", taken.error)
        for remark in _remarks(taken):
            key = self._channel.log_key
            self._engine.warn(f"{key}: {remark}", f"{key} at step {step}: {remark}")

    def recover(self, error: Exception, *_: Any, step: int | None = None, **__: Any) -> None:
        """Have a step that was to be observed end as skipped, after something of ours failed."""
        self._engine.warn(repr(error), f"The monitor of {self._channel.log_key} met {error!r}")
        if step is not None:
            self.submit(step, error)

    def end_at_once(self, error: Exception, *_: Any, **__: Any) -> None:
        """Let go of everything after `close` failed; what is under way ends as skipped."""
        self._engine.warn(repr(error), f"Closing {self._channel.log_key} met {error!r}")
        self.give_up()

    def give_up(self) -> None:
        """End without waiting; peers need not wait for this rank any more."""
        self._leave(for_all=True)
        self.finished()

    @guarded(list)
    def finished(self) -> list[Event]:
        """Events that came to their end since the last call, in order; on rank 0."""
        events = []
        finished = self._channel.finished
        while finished:
            event = finished[0]  # stays there until it is accounted for
            self._end(event)
            finished.popleft()
            events.append(event)
        return events

    def _end(self, event: Event) -> None:
        if self._publish is not None and not event.published:
            event.published = True  # at most once, whatever happens on the way
            try:
                self._publish(event)
            except Exception as error:
                what = f"Publishing step {event.step} failed with {error!r}"
                self._engine.warn(Reason.publish_failed.name, what)
                event.remark(Reason.publish_failed.name)
        self._engine.record(self._channel, event)
        self.account.ended(event)

    @guarded(list, by="end_at_once")
    def close(self, timeout_s: float | None = None) -> list[Event]:
        """Wait for what is under way, and let go of everything.

        Args:
            timeout_s: How long to wait, ``None``: as the constructor says. What is not there by
                then ends as skipped, also that of other monitors that share the engine.

        Returns:
            The remaining events, as `finished` gives them.
        """
        if self._closed:
            return []
        events: list[Event] = []
        try:
            idle = self._wait(self._timeout_s if timeout_s is None else timeout_s, events)
            if not idle:  # without peers that have not come
                self._engine.exchange.stop()
                idle = self._wait(_ALONE_S, events)
        except BaseException:  # Ctrl-C while waiting for the last pictures
            self.give_up()
            raise
        self._leave(for_all=not idle)
        return events + self.finished()

    def _wait(self, seconds: float, events: list[Event]) -> bool:
        """Wait until nothing is under way, and collect what ends; whether nothing is."""
        deadline = time.monotonic() + seconds
        while not (idle := self._engine.wait_idle(0.05)) and time.monotonic() < deadline:
            events += self.finished()
        events += self.finished()
        self._engine.wait_idle(max(0.0, deadline - time.monotonic()))  # their lines of account
        return idle

    def _leave(self, *, for_all: bool) -> None:
        """Let go of the engine; what other monitors have under way there counts as well."""
        if not self._closed:
            self._engine.leave(for_all=for_all)
            self._closed = True
            atexit.unregister(self._close_at_exit)
            if self._channel.place is not None:
                self._channel.place.close()

    def _close_at_exit(self) -> None:
        if os.getpid() == self._process:  # a fork has neither the threads nor the connections
            self.close(0.0)

    def _due_step(self, step: int, taken: StepCapture | Exception | None) -> DueStep:
        idle = taken.idle if isinstance(taken, StepCapture) else None
        if idle or (idle is None and not self._quota):
            return DueStep(self._channel, step)
        if taken is None:
            return self._failed(step, Reason.nothing_captured, "the step was not foreseen")
        if isinstance(taken, Exception):
            return self._failed(step, Reason.capture_failed, f"capture failed with {taken!r}")
        try:
            if taken.error is not None:
                raise taken.error
            ready = to_host(taken)
        except FeatureError as error:
            return self._failed(step, error.reason, str(error))
        except Exception as error:  # out of pinned memory, a device in error
            return self._failed(step, Reason.copy_failed, f"copying rows failed with {error!r}")
        return DueStep(
            self._channel,
            step,
            chunks=taken.chunks,
            lacking={role: error.reason for role, error in taken.lacking.items()},
            remarks=_remarks(taken),
            ready=ready,
            quota=self._samples(taken.chunks[0].chosen.views) if taken.chunks else self._quota,
            alike=taken.alike,
            assignment=taken.assignment,
            about=taken.about,
        )

    def _failed(self, step: int, reason: Reason, message: str) -> DueStep:
        self._warn(reason, f"step {step}", message)
        return DueStep(self._channel, step, reason)

    def _warn(self, reason: Reason, at: str, message: object) -> None:
        key = self._channel.log_key
        self._engine.warn(f"{key}: {reason.name}", f"{key} at {at}: {message}")


def _remarks(taken: StepCapture) -> list[str]:
    return [*taken.remarks, *(str(error) for error in taken.lacking.values())]


def _own_engine(max_samples: int, timeout_s: float) -> Engine:
    engine = Engine(max_samples, timeout_s)
    launched = os.environ.get("WORLD_SIZE", "1")
    if engine.exchange.world_size == 1 and launched != "1":
        log.warning(_TOO_EARLY, launched)
    return engine


def _features(feature_key: Any) -> dict[str, str]:
    """Keys by role, as a channel has them."""
    if not isinstance(feature_key, Mapping):
        return {"": checked(GramMatrixConfig, feature_key=feature_key)["feature_key"]}
    check = settings(RepresentationMonitorConfig)["features"].metadata["check"]
    return dict(check("feature_key", feature_key))


def _look(look: Any) -> Look:
    if look is None:
        return Look()
    if not isinstance(look, Look):
        raise TypeError(f"Expected argument `look` to be a Look, but got {look!r}.")
    return Look(**checked(GramMatrixConfig, **vars(look)))


def _nothing_in(features: Any, keys: Mapping[str, str]) -> FeatureError:
    named = " and ".join(map(repr, keys.values()))
    bare = "a tensor [N, D], or more dimensions (see pool), or " if len(keys) == 1 else ""
    return FeatureError(
        Reason.not_a_tensor,
        f"there are no features {named} in a {type(features).__name__}; expected {bare}a mapping "
        f"that holds {named}",
    )
