"""What a run says when it ends: where its results lie, and the last numbers."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import (
    CSVLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)

__all__ = ["finish", "summary"]


def finish(trainer: pl.Trainer, outcome: str) -> None:
    """Print the summary on rank 0 and close the W&B run, however the training ended.

    Closing it here lets each job of a sweep have a run of its own.

    Args:
        trainer: The trainer after `fit`, or after what stopped it.
        outcome: How the training ended: `finished`, `interrupted` or `failed`.
    """
    if not trainer.is_global_zero:
        return
    # Asked before the runs are closed, printed after: W&B has a last word of its own.
    lines = list(summary(trainer, outcome))
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.finish(exit_code=int(outcome == "failed"))
    width = max(len(label) for label, _ in lines)
    sys.stdout.write("\n")
    for label, text in lines:
        sys.stdout.write(f"{label:<{width}}  {text}\n")
    sys.stdout.flush()


def summary(trainer: pl.Trainer, outcome: str) -> Iterator[tuple[str, str]]:
    """Yield a run's last words as (label, text).

    Args:
        trainer: The trainer after `fit`, or after what stopped it.
        outcome: How the training ended.

    Yields:
        How it ended, final numbers, what each callback has to say in its `summary`, labelled with
        its `summary_label`, and where results lie.
    """
    yield outcome, f"after {trainer.global_step} optimizer steps"
    for name, value in _final_numbers(trainer):
        yield name, f"{value:.4g}"
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    for callback in callbacks:
        if text := getattr(callback, "summary", None):
            yield getattr(callback, "summary_label", "monitor"), str(text)
    pictures = [d for c in callbacks for d in getattr(c, "pictures", ())]
    for directory in dict.fromkeys(pictures):
        yield "pictures", _short(directory)
    for logger in trainer.loggers:
        yield from _logged(logger)
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and (path := _checkpoint(callback)):
            yield "checkpoint", f"{_short(path)} (resume with ckpt_path=…)"


def _final_numbers(trainer: pl.Trainer) -> Iterator[tuple[str, float]]:
    metrics = trainer.callback_metrics
    for name in sorted(metrics):
        # `x` is there beside `x_step` and `x_epoch`.
        if not name.endswith(("_step", "_epoch")):
            yield name, float(metrics[name])


def _logged(logger: Logger) -> Iterator[tuple[str, str]]:
    if isinstance(logger, WandbLogger):
        yield from _wandb(logger.experiment)
    elif isinstance(logger, TensorBoardLogger):
        yield "metrics", f"tensorboard --logdir {_short(logger.log_dir)}"
    elif isinstance(logger, CSVLogger):
        yield "metrics", _short(Path(logger.log_dir) / "metrics.csv")
    elif isinstance(logger, MLFlowLogger):
        yield "metrics", f"{_program('mlflow')} ui --backend-store-uri {logger._tracking_uri}"


def _wandb(run: Any) -> Iterator[tuple[str, str]]:
    if run.disabled:
        yield "metrics", "not kept: W&B is disabled"
    elif run.offline:
        directory = Path(run.settings.sync_dir)
        yield "metrics", f"W&B run, offline, in {_short(directory)}"
        yield "upload", f"{_program('wandb')} sync {_short(directory)}"
    else:
        yield "metrics", f"W&B run {run.url}"


def _checkpoint(callback: ModelCheckpoint) -> str:
    return callback.last_model_path or callback.best_model_path


def _program(name: str) -> str:
    """Return how to call a program: by name if the shell finds it, else beside our Python."""
    beside = Path(sys.executable).with_name(name)
    return name if shutil.which(name) or not beside.exists() else _short(beside)


def _short(path: str | Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
