"""The end of a run whose diagnosis ends it; on all ranks at the same step, see `Agreement`."""

from __future__ import annotations

from typing import Any

from gramscope.config.callbacks import watching

__all__ = ["is_asked", "stop"]


def is_asked(trainer: Any) -> bool:
    """Whether a callback has seen a state that is to end training; rank 0 alone knows."""
    return any(callback.asks_to_stop is not None for callback in watching(trainer.callbacks))


def stop(trainer: Any) -> None:
    """Save a checkpoint and end training, on all ranks together."""
    path = f"{_directory(trainer)}/stopped_step_{trainer.global_step:08d}.ckpt"
    try:
        trainer.save_checkpoint(path)
    except Exception as error:
        path = f"none ({error!r})"
        trainer.strategy.barrier()  # where the other ranks wait for this one to have saved
    trainer.should_stop = True
    for callback in watching(trainer.callbacks):
        callback.say_stop(trainer.global_step, path)


def _directory(trainer: Any) -> str:
    """Where the run's checkpoints are, or would be."""
    directories = [getattr(c, "dirpath", None) for c in trainer.checkpoint_callbacks]
    return str(next(filter(None, directories), trainer.default_root_dir)).rstrip("/")
