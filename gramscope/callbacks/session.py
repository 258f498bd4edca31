"""One callback's part in one fit: from the cadence over the capture to the loggers."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gramscope.callbacks.cadence import Cadence
from gramscope.callbacks.loggers import prepare, publish, takes_images, takes_prepared
from gramscope.config.callbacks import Capture
from gramscope.events.files import directory_of
from gramscope.monitor import Engine, Event, Monitor
from gramscope.monitor.capture import ForwardHook, StepCapture, find_module, is_sharded
from gramscope.monitor.features import FeatureError
from gramscope.monitor.isolation import undisturbed

__all__ = ["Session", "Settings", "start_sessions"]

log = logging.getLogger(__name__)

_STEPS_KEPT = 10_000


@dataclass(frozen=True)
class Settings:
    """A callback's arguments; see `gramscope.callbacks.GramMatrixCallback`."""

    every: int
    feature_key: str
    max_samples: int
    log_key: str
    capture: Capture
    module: str | None
    save_dir: Path | None
    max_pending: int
    timeout_s: float


def start_sessions(trainer: Any, pl_module: Any, settings: Sequence[Settings]) -> list[Session]:
    """Set up all gram callbacks of a trainer, which share one engine; a meeting point of ranks.

    Args:
        trainer: The trainer.
        pl_module: Its module.
        settings: Of each callback, alike on all ranks.
    """
    # `log_dir` asks rank 0 for it, so all ranks must read it, whatever loggers they have.
    directory = Path(trainer.log_dir or trainer.default_root_dir) / "gram"
    fallback = None if any(takes_images(logger) for logger in trainer.loggers) else directory
    # A rank that is late so far has training's patience, not the monitor's.
    trainer.strategy.barrier("gramscope")
    engine = _SharedEngine(
        Engine(max(s.max_samples for s in settings), max(s.timeout_s for s in settings)),
        users=len(settings),
    )
    log_keys = _distinct_log_keys(settings)
    prefixes = _distinct_prefixes(settings)
    if trainer.is_global_zero:
        _warn_of_same_keys(settings, log_keys)
    return [
        Session(trainer, pl_module, one, log_key, prefix, engine, fallback)
        for one, log_key, prefix in zip(settings, log_keys, prefixes, strict=True)
    ]


class _SharedEngine:
    """An engine that ends with the last of its users."""

    def __init__(self, engine: Engine, users: int) -> None:
        self.engine = engine
        self._users = users

    def leave(self) -> bool:
        """Whether the caller was the last."""
        self._users -= 1
        return self._users == 0


class Session:
    """What one callback does during one fit; see `start_sessions`.

    Args:
        trainer: The trainer.
        pl_module: Its module.
        settings: The callback's arguments.
        log_key: Logger key of the heatmap, told apart from other callbacks'.
        prefix: Of the scalars' logger keys, likewise.
        engine: Shared by all sessions of the trainer.
        fallback: Directory for pictures that no logger takes.
    """

    def __init__(
        self,
        trainer: Any,
        pl_module: Any,
        settings: Settings,
        log_key: str,
        prefix: str,
        engine: _SharedEngine,
        fallback: Path | None,
    ) -> None:
        self._trainer = trainer
        self._pl_module = pl_module
        self._settings = settings
        self.prefix = prefix
        """Of the scalars' logger keys."""
        self._engine = engine
        self._monitor = Monitor(
            settings.feature_key,
            settings.max_samples,
            log_key=log_key,
            save_dir=settings.save_dir or fallback,
            max_pending=settings.max_pending,
            timeout_s=settings.timeout_s,
            prepare=prepare if any(map(takes_prepared, trainer.loggers)) else None,
            engine=engine.engine,
        )
        self._cadence = Cadence(settings.every)
        self._source = settings.capture
        self._hook: ForwardHook | None = None
        self._hook_error: FeatureError | None = None
        self._capture: StepCapture | None = None
        self._hook_calls = 0
        self._model_has_run = False
        self._cost = 0.0
        self._warned: set[str] = set()
        self.submitted: deque[int] = deque(maxlen=_STEPS_KEPT)
        """The latest due steps."""
        self.costs: deque[float] = deque(maxlen=_STEPS_KEPT)
        """Seconds of the training thread that each of the latest events took."""
        if fallback is not None and settings.save_dir is None and self.is_root:
            log.warning(
                "None of the trainer's loggers takes images, so %s goes to %s.", log_key, fallback
            )

    @property
    def is_root(self) -> bool:
        """Whether events come back on this rank."""
        return self._monitor.is_root

    @property
    def pictures(self) -> Path | None:
        """Directory of the pictures, if they are kept."""
        watch = self._monitor.watch
        return directory_of(watch.save_dir, watch.log_key) if watch.save_dir else None

    def train_start(self) -> None:
        """Take up the count of optimizer steps."""
        self._cadence.start(self._trainer)

    def batch_start(self, batch: Any, batch_idx: int) -> None:
        """Arm the capture if the optimizer step under way may be due; never raises.

        Args:
            batch: The batch.
            batch_idx: Its index.
        """
        if self._capture is None and not self._cadence.may_be_due():
            return
        start = time.perf_counter()
        try:
            if self._capture is None:
                self._cost = 0.0
                self._capture = self._begin_step(batch_idx)
            self._capture.begin_micro_batch()
            if self._source is Capture.extra_forward:
                self._extra_forward(batch)  # on every rank: sharded models need them all
            elif self._source is not Capture.outputs and self._monitor.wants_rows:
                self._arm()
        except Exception as error:
            self._fail(error)
        self._cost += time.perf_counter() - start

    def batch_end(self, outputs: Any) -> None:
        """Collect the micro-batch and hand over the step if it is complete and due; never raises.

        Args:
            outputs: What the training step returned.
        """
        start = time.perf_counter()
        self._model_has_run = True
        if self._capture is not None:
            self._end_micro_batch(self._capture, outputs)
        stepped, due = self._cadence.advance(self._trainer)
        if due:
            self._monitor.submit(self._trainer.global_step, self._capture)
            self.submitted.append(self._trainer.global_step)
            self.costs.append(self._cost + time.perf_counter() - start)
        elif self._capture is not None:
            self._cost += time.perf_counter() - start
        if stepped:
            self._capture = None

    def epoch_end(self) -> None:
        """Stop listening between epochs; the optimizer step under way was the epoch's last."""
        if self._hook is not None:
            self._hook.disarm()
        self._capture = None

    def publish(self) -> Iterator[Event]:
        """Hand finished events to the loggers, and give each to the caller; never raises."""
        return map(self._publish, self._monitor.finished())

    def finish(self) -> Iterator[Event]:
        """Wait for what is under way and publish it, then let go of everything."""
        if self._hook is not None:
            self._hook.disarm()
        yield from map(self._publish, self._monitor.close(engine=self._engine.leave()))

    def abort(self) -> Iterator[Event]:
        """Let go of everything at once; what is under way ends as skipped."""
        yield from map(self._publish, self._monitor.abort())

    def _begin_step(self, batch_idx: int) -> StepCapture:
        return self._monitor.capture(
            self._cadence.micro_batches(self._trainer, self._pl_module, batch_idx),
            bare_tensor=self._settings.module is not None,
        )

    def _arm(self) -> None:
        if self._hook is None and self._hook_error is None:
            try:
                module = find_module(self._pl_module, self._settings.module)
            except FeatureError as error:  # matters only if the outputs hold no features either
                self._hook_error = error
            else:
                self._hook = ForwardHook(module, self._on_forward)
        if self._hook is not None:
            self._hook_calls = 0
            self._hook.arm()

    def _on_forward(self, output: Any) -> None:
        start = time.perf_counter()
        self._hook_calls += 1
        if self._capture is not None:
            self._capture.offer(output)
        self._cost += time.perf_counter() - start

    def _extra_forward(self, batch: Any) -> None:
        assert self._capture is not None
        if not self._model_has_run and is_sharded(self._pl_module):
            raise FeatureError(
                "capture_failed",
                "a sharded model takes no extra forward before the training's own first one",
            )
        module = find_module(self._pl_module, self._settings.module)
        inputs = batch[0] if isinstance(batch, (list, tuple)) else batch
        precision = self._trainer.precision_plugin.forward_context()
        with undisturbed(self._pl_module), precision:
            output = module(inputs)
        if self._monitor.wants_rows:
            self._capture.offer(output)

    def _end_micro_batch(self, capture: StepCapture, outputs: Any) -> None:
        if self._hook is not None:
            self._hook.disarm()
        if not self._monitor.wants_rows:
            return
        if self._source is Capture.outputs:
            capture.offer(outputs)
        elif self._source is Capture.auto:
            # Not decided yet where this run's features come from: outputs win over the hook.
            if capture.offer(outputs, override=True):
                self._source = Capture.outputs
            elif capture.filled:
                self._source = Capture.forward_hook
        if not capture.filled and capture.error is None:
            capture.error = self._hook_error or self._uncalled()
        capture.end_micro_batch()
        if capture.error is not None:
            self._source = self._settings.capture  # perhaps they come from elsewhere now

    def _uncalled(self) -> FeatureError | None:
        """Why nothing came, if the watched module was never seen to run."""
        listened = self._source in (Capture.auto, Capture.forward_hook)
        if not listened or self._hook is None or self._hook_calls:
            return None
        return FeatureError(
            "not_called",
            f"feature_key={self._settings.feature_key!r} is not in what training_step returns, "
            "and the watched module was not called during the step, or only from within a "
            "compiled function; name another `module`, or return the features from "
            "training_step and use capture='outputs'",
        )

    def _fail(self, error: Exception) -> None:
        if self._capture is not None and self._capture.error is None:
            if not isinstance(error, FeatureError):
                error = FeatureError("capture_failed", f"capture failed with {error!r}")
            self._capture.error = error

    def _publish(self, event: Event) -> Event:
        if event.status == "logged":
            for failure in publish(event, self._trainer.loggers, self.prefix):
                if failure not in self._warned:
                    self._warned.add(failure)
                    log.warning("%s at step %d; training goes on.", failure, event.step)
        return event


def _warn_of_same_keys(settings: Sequence[Settings], log_keys: Sequence[str]) -> None:
    for one, count in Counter(map(_key, settings)).items():
        if count > 1:
            same = [k for k, s in zip(log_keys, settings, strict=True) if _key(s) == one]
            log.warning(
                "%d gram callbacks log feature_key=%r under log_key=%r; they are told apart as %s. "
                "Give each a log_key of its own.",
                count,
                one[1],
                one[0],
                ", ".join(same),
            )


def _key(settings: Settings) -> tuple[str, str]:
    return settings.log_key, settings.feature_key


def _distinct_log_keys(settings: Sequence[Settings]) -> list[str]:
    shared = Counter(s.log_key for s in settings)
    return _numbered(
        [f"{s.log_key}/{s.feature_key}" if shared[s.log_key] > 1 else s.log_key for s in settings]
    )


def _distinct_prefixes(settings: Sequence[Settings]) -> list[str]:
    if len(settings) == 1:
        return ["representation"]
    return _numbered([f"representation/{s.feature_key}" for s in settings])


def _numbered(names: list[str]) -> list[str]:
    """``a, a, b`` becomes ``a, a.2, b``."""
    seen: Counter[str] = Counter()
    result = []
    for name in names:
        seen[name] += 1
        result.append(name if seen[name] == 1 else f"{name}.{seen[name]}")
    return result
