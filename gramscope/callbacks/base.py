"""What callbacks that watch a representation have in common: hooks, account, publishing."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typing_extensions import override

from gramscope.callbacks._lightning import Callback
from gramscope.callbacks.cadence import Cadence
from gramscope.callbacks.cost import Cost
from gramscope.callbacks.loggers import Publisher, takes_images
from gramscope.callbacks.source import FeatureSource
from gramscope.config.callbacks import MonitorConfig, watching
from gramscope.config.names import Names, clashes, names
from gramscope.diagnosis import NUMBERS
from gramscope.events.files import directory_of
from gramscope.monitor import Engine, Monitor
from gramscope.monitor.account import Account

__all__ = ["MonitorCallback"]

log = logging.getLogger(__name__)


@dataclass
class _Fit:
    """What works for one callback during one fit."""

    monitor: Monitor
    cadence: Cadence
    source: FeatureSource


class MonitorCallback(Callback):
    """Watches a representation during `fit`, and hands what it sees to the trainer's loggers.

    All such callbacks of a trainer share one engine, which the first of them makes.
    """

    def __init__(self, config: MonitorConfig) -> None:
        super().__init__()
        self.config = config
        self.engine: Engine | None = None
        """The first callback's is that of all; ``None`` outside of fits."""
        self._account = Account()
        self._cost = Cost()
        self._names = Names(config.log_key, "representation")
        self._pictures: Path | None = None
        self._fit: _Fit | None = None

    @property
    def latest(self) -> dict[str, float]:
        """Numbers of the latest event, by name.

        Empty before the first, after one whose rows were all NaN or Inf, and on other ranks.
        """
        return dict(self._account.latest)

    @property
    def latest_logged(self) -> dict[str, float]:
        """The same by the loggers' keys, as ``representation/offdiag_mean``; NaN without value."""
        prefix, latest = self._names.prefix, self._account.latest
        return {f"{prefix}/{name}": latest.get(name, math.nan) for name in NUMBERS}

    @property
    def outcomes(self) -> dict[str, int]:
        """How many due steps ended how: ``logged``, or the reason for skipping; rank 0 only."""
        return dict(self._account.outcomes)

    @property
    def last_step(self) -> int:
        """The last due step whose outcome is known, 0 before the first; rank 0 only."""
        return self._account.last_step

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
        return self._cost.milliseconds()

    @property
    def summary(self) -> str:
        """One line on what became of the due steps and what they cost the training thread."""
        skipped = self.outcomes
        logged = skipped.pop("logged", 0)
        reasons = ", ".join(f"{reason} {n}" for reason, n in sorted(skipped.items()))
        line = f"{self.config.feature_key}: {logged} logged, {sum(skipped.values())} skipped"
        line += f" ({reasons})" if reasons else ""
        if cost := self.overhead_ms:
            line += f"; training thread {cost['median']:.2f} ms an event (median)"
            line += f", {cost['max']:.2f} ms (max)"
        return line

    @property
    @override
    def state_key(self) -> str:
        """Tells the checkpointed states of several callbacks apart."""
        config = self.config
        return self._generate_state_key(
            feature_key=config.feature_key,
            log_key=config.log_key,
            module=config.module,
            log_every_n_steps=config.log_every_n_steps,
            max_samples=config.max_samples,
            capture=config.capture.value,
        )

    @override
    def state_dict(self) -> dict[str, Any]:
        # The cadence follows the trainer's `global_step`.
        return self._account.state()

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._account.load(state_dict)

    @override
    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        # Every rank comes here at the same point, where the process group is made.
        if self._fit is not None:
            return
        try:
            self._fit = self._start(trainer, pl_module)
        except Exception as error:  # whatever it is, training is worth more
            log.warning("%s stays off: it could not start: %r", type(self).__name__, error)

    @override
    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if self._fit is not None:
            self._fit.cadence.start(trainer)

    @override
    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        fit = self._fit
        if fit is not None and (fit.source.collecting or fit.cadence.may_be_due()):
            with self._cost:
                fit.source.begin(batch, fit.cadence.micro_batches(trainer, pl_module, batch_idx))

    @override
    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._fit is not None:
            with self._cost:
                self._end_batch(self._fit, trainer, outputs)
            self._fit.monitor.finished()

    @override
    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        # The optimizer step under way was the epoch's last.
        if self._fit is not None:
            self._fit.source.stop()

    @override
    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._finish()

    @override
    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._finish()

    @override
    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self._finish()

    def __getstate__(self) -> dict[str, Any]:
        """A copy or a pickle is a callback that has not started."""
        return {**self.__dict__, "engine": None, "_fit": None}

    def _start(self, trainer: Any, pl_module: Any) -> _Fit | None:
        # `log_dir` asks rank 0 for it, so all ranks must read it, whatever loggers they have.
        directory = Path(trainer.log_dir or trainer.default_root_dir) / "gram"
        siblings = watching(trainer.callbacks)
        configs = [callback.config for callback in siblings]
        if siblings[0] is self:
            self.engine = _make_engine(trainer, configs)
        engine = siblings[0].engine
        if engine is None:  # the first could not start, and has said so
            return None
        self._names = names(configs)[siblings.index(self)]
        self._cost = Cost()
        monitor = self._monitor(trainer, engine, directory)
        source = FeatureSource(trainer, pl_module, self.config, monitor, self._cost)
        return _Fit(monitor, Cadence(self.config.log_every_n_steps), source)

    def _monitor(self, trainer: Any, engine: Engine, fallback: Path) -> Monitor:
        config, log_key = self.config, self._names.log_key
        save_dir = None if config.save_dir is None else Path(config.save_dir)
        if save_dir is None and not any(map(takes_images, trainer.loggers)):
            save_dir = fallback
            if trainer.is_global_zero:
                said = "None of the trainer's loggers takes images, so %s goes to %s."
                log.warning(said, log_key, save_dir)
        self._pictures = save_dir and directory_of(save_dir, log_key)
        publisher = Publisher(trainer.loggers, self._names.prefix)
        return Monitor(
            config.feature_key,
            config.max_samples,
            log_key=log_key,
            save_dir=save_dir,
            max_pending=config.max_pending,
            timeout_s=config.timeout_s,
            publish=publisher,
            prepare=publisher.prepare,
            account=self._account,
            engine=engine,
        )

    def _end_batch(self, fit: _Fit, trainer: Any, outputs: Any) -> None:
        fit.source.end(outputs)
        stepped, due = fit.cadence.advance(trainer)
        if not stepped:
            return
        capture = fit.source.take()
        if due:
            fit.monitor.submit(trainer.global_step, capture)
        self._cost.end_step(due=due)

    def _finish(self) -> None:
        fit, self._fit = self._fit, None
        if fit is None:
            return
        fit.source.stop()
        try:
            fit.monitor.close()
        except BaseException:  # Ctrl-C while waiting for the last pictures
            fit.monitor.close(0.0)
            raise
        finally:
            self.engine = None
        if fit.monitor.is_root:
            log.info("%s", self.summary)


def _make_engine(trainer: Any, configs: list[MonitorConfig]) -> Engine:
    if trainer.is_global_zero:
        _warn_of_clashes(configs)
    # A rank that is late so far has training's patience, not the monitor's.
    trainer.strategy.barrier("gramscope")
    return Engine(max(c.max_samples for c in configs), max(c.timeout_s for c in configs))


def _warn_of_clashes(configs: list[MonitorConfig]) -> None:
    log_keys = [given.log_key for given in names(configs)]
    for alike in clashes(configs):
        one = configs[alike[0]]
        log.warning(
            "%d gram callbacks log feature_key=%r under log_key=%r; they are told apart as %s. "
            "Give each a log_key of its own.",
            len(alike),
            one.feature_key,
            one.log_key,
            ", ".join(log_keys[i] for i in alike),
        )
