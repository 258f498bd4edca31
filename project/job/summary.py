"""The summary that ends a run: its last numbers, and where its results lie."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
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

from gramscope.config.callbacks import watching
from project.job.shell import program, short

__all__ = ["close_wandb", "finish", "summary"]


def finish(trainer: pl.Trainer, outcome: str, more: Iterable[tuple[str, str]] = ()) -> None:
    """Print the summary on rank 0 and close the W&B run, however the training ended.

    Closing it here lets each job of a sweep have a run of its own.

    Args:
        trainer: The trainer after `fit`, or after what stopped it.
        outcome: How the training ended: `finished`, `interrupted` or `failed`.
        more: Labels and texts of further lines, asked for on rank 0 only.
    """
    if not trainer.is_global_zero:
        return
    # Asked before the runs are closed, printed after: W&B prints a summary of its own.
    lines = [*summary(trainer, outcome), *more]
    close_wandb(trainer, failed=outcome == "failed")
    width = max(len(label) for label, _ in lines)
    sys.stdout.write("\n")
    for label, text in lines:
        sys.stdout.write(f"{label:<{width}}  {text}\n")
    sys.stdout.flush()


def close_wandb(trainer: pl.Trainer, *, failed: bool) -> None:
    """Close the W&B runs that have started.

    Args:
        trainer: Whose loggers to close.
        failed: Whether W&B is to show them as failed.
    """
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger) and logger._experiment is not None:
            logger.experiment.finish(exit_code=int(failed))


def summary(trainer: pl.Trainer, outcome: str) -> Iterator[tuple[str, str]]:
    """Yield the lines of the summary as (label, text).

    Args:
        trainer: The trainer after `fit`, or after what stopped it.
        outcome: How the training ended.

    Yields:
        How it ended, final numbers, what each callback has to say in its `summary`, labelled with
        its `summary_label`, and in the lines of its `findings`, and where results lie.
    """
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    steps = f"after {trainer.global_step} optimizer steps"
    if outcome.endswith("checkpoints"):
        steps = "were looked at, one after the other"
    stopped = [callback.stopped for callback in watching(callbacks) if callback.stopped]
    if outcome == "finished" and stopped:
        yield "stopped", f"{steps}: {', '.join(stopped)}"
    else:
        yield outcome, steps
    for name, value in _final_numbers(trainer):
        yield name, f"{value:.4g}"
    for callback in callbacks:
        if text := getattr(callback, "summary", None):
            yield getattr(callback, "summary_label", "monitor"), str(text)
        yield from getattr(callback, "findings", ())
    pictures = [d for c in callbacks for d in getattr(c, "pictures", ())]
    for directory in dict.fromkeys(pictures):
        yield "pictures", short(directory)
    for logger in trainer.loggers:
        yield from _logged(logger)
    for callback in trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and (path := _checkpoint(callback)):
            yield "checkpoint", f"{short(path)} (resume with ckpt_path=…)"


def _final_numbers(trainer: pl.Trainer) -> Iterator[tuple[str, float]]:
    metrics = trainer.callback_metrics
    for name in sorted(metrics):
        # `x` is there beside `x_step` and `x_epoch`; monitors say theirs themselves.
        if not name.endswith(("_step", "_epoch")) and not name.startswith("representation/"):
            yield name, float(metrics[name])


def _logged(logger: Logger) -> Iterator[tuple[str, str]]:
    if isinstance(logger, WandbLogger):
        yield from _wandb(logger.experiment)
    elif isinstance(logger, TensorBoardLogger):
        yield "metrics", f"tensorboard --logdir {short(logger.log_dir)}"
    elif isinstance(logger, CSVLogger):
        yield "metrics", short(Path(logger.log_dir) / "metrics.csv")
    elif isinstance(logger, MLFlowLogger):
        yield "metrics", f"{program('mlflow')} ui --backend-store-uri {logger._tracking_uri}"


def _wandb(run: Any) -> Iterator[tuple[str, str]]:
    if run.disabled:
        yield "metrics", "not kept: W&B is disabled"
    elif run.offline:
        directory = Path(run.settings.sync_dir)
        yield "metrics", f"W&B run, offline, in {short(directory)}"
        yield "upload", f"{program('wandb')} sync {short(directory)}"
    else:
        yield "metrics", f"W&B run {run.url}"


def _checkpoint(callback: ModelCheckpoint) -> str:
    return callback.last_model_path or callback.best_model_path
