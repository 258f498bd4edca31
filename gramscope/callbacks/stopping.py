"""The end of a run whose diagnosis ends it: on all ranks at the same step."""

from __future__ import annotations

import logging
from typing import Any

from typing_extensions import override

from gramscope.callbacks._lightning import Callback
from gramscope.config.callbacks import watching
from gramscope.monitor.boundary import guarded

__all__ = ["Stopping"]

log = logging.getLogger(__name__)


class Stopping(Callback):
    """Asks rank 0 at each due step whether training is to go on, and ends it on all ranks.

    Rank 0 alone knows, and training's own collective tells the others: the one thing that makes
    ranks wait for one another. It depends on `trainer.global_step` alone, so that a rank whose
    monitor could not start takes part in it as well.

    Args:
        every: Optimizer steps between two due ones.
    """

    def __init__(self, every: int) -> None:
        self._every = every
        self._step = 0
        self._stopped = False

    @classmethod
    def join(cls, trainer: Any) -> None:
        """Add one to a trainer, if one of its callbacks is to stop training."""
        every = [c.config.due_every for c in watching(trainer.callbacks) if c.config.stop_on]
        if every and not any(isinstance(c, cls) for c in trainer.callbacks):
            trainer.callbacks.append(cls(min(every)))

    @override
    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._step = trainer.global_step

    @override
    @guarded()
    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        before, self._step = self._step, trainer.global_step
        if self._stopped or self._step // self._every == before // self._every:
            return
        if trainer.strategy.reduce_boolean_decision(self._is_asked(trainer), all=False):
            self._stopped = True
            self._stop(trainer)

    @override
    @guarded()
    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._leave(trainer)

    @override
    @guarded()
    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        self._leave(trainer)

    def recover(self, error: Exception, *_: Any, **__: Any) -> None:
        """Go on; training will see for itself whether its ranks still hear one another."""
        log.warning("Whether a diagnosis stops training could not be settled: %r", error)

    @guarded(bool)
    def _is_asked(self, trainer: Any) -> bool:
        return any(callback.asks_to_stop is not None for callback in watching(trainer.callbacks))

    def _stop(self, trainer: Any) -> None:
        path = f"{_directory(trainer)}/stopped_step_{trainer.global_step:08d}.ckpt"
        try:
            trainer.save_checkpoint(path)
        except Exception as error:
            path = f"none ({error!r})"
            trainer.strategy.barrier()  # where the other ranks wait for this one to have saved
        trainer.should_stop = True
        for callback in watching(trainer.callbacks):
            callback.say_stop(trainer.global_step, path)

    def _leave(self, trainer: Any) -> None:
        # Another list: Lightning is going through this one, and would miss the next callback.
        trainer.callbacks = [c for c in trainer.callbacks if c is not self]


def _directory(trainer: Any) -> str:
    """Where the run's checkpoints are, or would be."""
    directories = [getattr(c, "dirpath", None) for c in trainer.checkpoint_callbacks]
    return str(next(filter(None, directories), trainer.default_root_dir)).rstrip("/")
