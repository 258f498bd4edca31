"""The gram matrix of a feature, for Lightning."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from gramscope.callbacks._lightning import Callback
from gramscope.callbacks.session import Session, Settings, start_sessions
from gramscope.config.callbacks import Capture
from gramscope.monitor import METRICS, Event

__all__ = ["GramMatrixCallback"]

log = logging.getLogger(__name__)


class GramMatrixCallback(Callback):
    """Logs the cosine similarities of a batch's features, gathered over all ranks, as a heatmap.

    At every optimizer step whose ``global_step`` is a multiple of ``log_every_n_steps`` each rank
    copies its share of the rows of a feature that the training step computes anyway. All else
    happens beside training: the ranks' monitor threads bring the rows together, rank 0 computes
    the gram matrix and the statistics of its off-diagonal, a helper process draws the picture,
    and a later hook hands both to the trainer's loggers. Training is neither stopped nor altered
    by anything that goes wrong on the way: a due step without a picture is counted, with its
    reason.

    Several of them in one trainer share one thread, one process group and one helper process.

    Args:
        log_every_n_steps: Optimizer steps between two gram matrices, at least 1.
        feature_key: Key of the model's output mapping, or a dotted path into nested mappings.
            The features are ``[N, D]``, or ``[N, T, D]`` of which token 0 is taken.
        max_samples: Rows of the matrix, at least 1, spread evenly over all ranks and, within a
            rank, evenly over its rows.
        log_key: Logger key of the heatmap. Callbacks of one trainer that would share one log
            under ``<log_key>/<feature_key>``.
        capture: Where the features are taken: ``outputs`` (what `training_step` returns),
            ``forward_hook`` (what the watched module returns during the step), ``auto`` (the
            first of these that has the key) or ``extra_forward`` (a forward pass of its own in
            evaluation mode on the batch, or on its first element if it is a sequence).
        module: Dotted path of the module whose forward output is watched; ``None`` for
            ``pl_module.model`` if there is one, else the LightningModule. If it is given, an
            output that is itself a tensor is taken as the features.
        save_dir: Directory that also receives every event as files; ``None`` for none, unless no
            logger of the trainer takes images.
        max_pending: Events that may wait before new ones are skipped, at least 1.
        timeout_s: Seconds to wait for a peer, a picture, or the backlog at the end; above 0.

    Raises:
        ValueError: If an argument is out of range.
        TypeError: If an argument is of the wrong type.
    """

    def __init__(
        self,
        log_every_n_steps: int = 100,
        feature_key: str = "teacher_cls_token",
        max_samples: int = 128,
        *,
        log_key: str = "gram_matrix",
        capture: str | Capture = "auto",
        module: str | None = None,
        save_dir: str | os.PathLike[str] | None = None,
        max_pending: int = 8,
        timeout_s: float = 60.0,
    ) -> None:
        super().__init__()
        self.log_every_n_steps = _whole_number("log_every_n_steps", log_every_n_steps)
        self.feature_key = _key("feature_key", feature_key)
        self.max_samples = _whole_number("max_samples", max_samples)
        self.log_key = _key("log_key", log_key)
        self.capture = _capture(capture)
        self.module = None if module is None else _key("module", module)
        self.save_dir = None if save_dir is None else _directory("save_dir", save_dir)
        self.max_pending = _whole_number("max_pending", max_pending)
        self.timeout_s = _seconds("timeout_s", timeout_s)
        self._latest: dict[str, float] = {}
        self._prefix = "representation"
        self._pictures: Path | None = None
        self._outcomes: dict[str, int] = {}
        self._last_step = 0
        self._costs: Iterable[float] = ()
        self._session: Session | None = None
        self._off = False  # for the rest of this fit

    @property
    def latest(self) -> dict[str, float]:
        """Metrics of the latest event, by name.

        Empty before the first, after one whose rows were all NaN or Inf, and on other ranks.
        """
        return dict(self._latest)

    @property
    def latest_logged(self) -> dict[str, float]:
        """The same by the loggers' keys, as ``representation/offdiag_mean``; NaN without value."""
        return {f"{self._prefix}/{name}": self._latest.get(name, math.nan) for name in METRICS}

    @property
    def outcomes(self) -> dict[str, int]:
        """How many due steps ended how: ``logged``, or the reason for skipping; rank 0 only."""
        return dict(self._outcomes)

    @property
    def pictures(self) -> list[str]:
        """Directories where this callback keeps pictures."""
        return [str(self._pictures)] if self._pictures and self._pictures.is_dir() else []

    @property
    def overhead_ms(self) -> dict[str, float]:
        """What an event costs this rank's training thread: ``median`` and ``max``, milliseconds.

        Taking and handing over the rows counts, loggers do not. Empty before the first event.
        Log it like any numbers, for example from a module:
        ``self.log_dict({f"overhead_ms/{name}": ms for name, ms in callback.overhead_ms.items()})``.
        """
        costs = sorted(self._session.costs if self._session else self._costs)
        if not costs:
            return {}
        return {"median": costs[len(costs) // 2] * 1e3, "max": costs[-1] * 1e3}

    @property
    def summary(self) -> str:
        """One line on what became of the due steps and what they cost the training thread."""
        logged = self._outcomes.get("logged", 0)
        skipped = {k: n for k, n in self._outcomes.items() if k != "logged"}
        reasons = ", ".join(f"{reason} {n}" for reason, n in sorted(skipped.items()))
        line = f"{self.feature_key}: {logged} logged, {sum(skipped.values())} skipped"
        line += f" ({reasons})" if reasons else ""
        if cost := self.overhead_ms:
            line += f"; training thread {cost['median']:.2f} ms an event (median)"
            line += f", {cost['max']:.2f} ms (max)"
        return line

    @property
    def state_key(self) -> str:
        """Tells the checkpointed states of several callbacks apart."""
        return self._generate_state_key(
            feature_key=self.feature_key,
            log_key=self.log_key,
            module=self.module,
            log_every_n_steps=self.log_every_n_steps,
            max_samples=self.max_samples,
            capture=self.capture.value,
        )

    @property
    def last_step(self) -> int:
        """The last due step whose outcome is known, 0 before the first; rank 0 only."""
        return self._last_step

    def state_dict(self) -> dict[str, Any]:
        """The account so far; the cadence itself follows the trainer's ``global_step``.

        Due steps whose outcome is not known yet become ``in_flight_at_checkpoint``: their events
        belong to the run that saves.
        """
        outcomes = dict(self._outcomes)
        steps = self._session.submitted if self._session and self._session.is_root else []
        in_flight = sum(step > self._last_step for step in steps)
        if in_flight:
            outcomes["in_flight_at_checkpoint"] = in_flight
        return {"outcomes": outcomes, "last_step": max([self._last_step, *steps])}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with a checkpointed account.

        Args:
            state_dict: What `state_dict` gave.
        """
        self._outcomes = dict(state_dict.get("outcomes", {}))
        self._last_step = state_dict.get("last_step", 0)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Set up; every rank comes here at the same point, where the process group is made.

        Args:
            trainer: The trainer.
            pl_module: Its module.
        """
        if self._session is None and not self._off:
            siblings = [c for c in trainer.callbacks if isinstance(c, GramMatrixCallback)]
            try:
                sessions = start_sessions(trainer, pl_module, [c._settings() for c in siblings])
            except Exception as error:  # whatever it is, training is worth more
                log.warning("%s stays off: it could not start: %r", type(self).__name__, error)
                for callback in siblings:
                    callback._off = True
                return
            for callback, session in zip(siblings, sessions, strict=True):
                callback._session = session
                callback._prefix = session.prefix

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Take up the count of optimizer steps.

        Args:
            trainer: The trainer.
            pl_module: Its module.
        """
        if self._session is not None:
            self._session.train_start()

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Arm the capture if the optimizer step under way may be due.

        Args:
            trainer: The trainer.
            pl_module: Its module.
            batch: The batch.
            batch_idx: Its index.
        """
        if self._session is not None:
            self._session.batch_start(batch, batch_idx)

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Hand over a due step's rows, and earlier events to the loggers.

        Args:
            trainer: The trainer.
            pl_module: Its module.
            outputs: What the training step returned.
            batch: The batch.
            batch_idx: Its index.
        """
        if self._session is not None:
            self._session.batch_end(outputs)
            self._account(self._session.publish())

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Stop listening between epochs.

        Args:
            trainer: The trainer.
            pl_module: Its module.
        """
        if self._session is not None:
            self._session.epoch_end()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Hand over everything that is still under way.

        Args:
            trainer: The trainer.
            pl_module: Its module.
        """
        self._finish()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Hand over everything that is still under way, on Ctrl-C too.

        Args:
            trainer: The trainer.
            pl_module: Its module.
            exception: Why training ends.
        """
        self._finish()

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Let go of what is left if training ended before it began.

        Args:
            trainer: The trainer.
            pl_module: Its module.
            stage: Which entry point ends.
        """
        self._finish()
        self._off = False

    def __getstate__(self) -> dict[str, Any]:
        """A copy or a pickle is a callback that has not started."""
        return {**self.__dict__, "_session": None}

    def _settings(self) -> Settings:
        return Settings(
            every=self.log_every_n_steps,
            feature_key=self.feature_key,
            max_samples=self.max_samples,
            log_key=self.log_key,
            capture=self.capture,
            module=self.module,
            save_dir=self.save_dir,
            max_pending=self.max_pending,
            timeout_s=self.timeout_s,
        )

    def _finish(self) -> None:
        session = self._session
        if session is None:
            return
        self._pictures = session.pictures
        try:
            self._account(session.finish())
        except BaseException:  # Ctrl-C while waiting for the last pictures
            self._account(session.abort())
            raise
        finally:
            self._session, self._costs = None, session.costs
        if session.is_root:
            log.info("%s", self.summary)

    def _account(self, events: Iterable[Event]) -> None:
        for event in events:
            self._outcomes[event.outcome] = self._outcomes.get(event.outcome, 0) + 1
            self._last_step = max(self._last_step, event.step)
            if event.metrics or event.outcome == "nonfinite":
                self._latest = event.metrics


def _whole_number(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"Expected argument `{name}` to be a whole number, but got {value!r}.")
    if value < 1:
        raise ValueError(f"Expected argument `{name}` to be at least 1, but got {value!r}.")
    return value


def _seconds(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"Expected argument `{name}` to be a number of seconds, but got {value!r}.")
    if not 0 < value < float("inf"):
        raise ValueError(
            f"Expected argument `{name}` to be a finite number of seconds above 0, "
            f"but got {value!r}."
        )
    return float(value)


def _key(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"Expected argument `{name}` to be a non-empty string, but got {value!r}.")
    return value


def _capture(value: Any) -> Capture:
    try:
        return Capture(value)
    except ValueError:
        choices = ", ".join(repr(choice.value) for choice in Capture)
        raise ValueError(
            f"Expected argument `capture` to be one of {choices}, but got {value!r}."
        ) from None


def _directory(name: str, value: Any) -> Path:
    path = Path(value)
    existing = next(p for p in (path, *path.absolute().parents) if p.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise ValueError(
            f"Expected argument `{name}` to be a directory that can be written to, "
            f"but got {str(value)!r}: {existing} is "
            f"{'not writable' if existing.is_dir() else 'not a directory'}."
        )
    return path
