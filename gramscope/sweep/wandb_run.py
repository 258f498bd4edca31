"""A W&B logger for jobs and sweeps: offline, unless somebody says otherwise."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import wandb

from gramscope.callbacks._lightning import in_use
from gramscope.sweep.job import sweep_job

if TYPE_CHECKING:
    from pytorch_lightning.loggers import WandbLogger

__all__ = ["wandb_logger"]

# What W&B takes.
_LONGEST_NAME = 128
_LONGEST_TAG = 64


def wandb_logger(
    mode: str | None = None,
    name: str | None = None,
    group: str | None = None,
    tags: Sequence[str] = (),
    **kwargs: Any,
) -> WandbLogger:
    """Make a `WandbLogger` that uploads nothing unasked and tells the jobs of a sweep apart.

    Lightning's own `offline=True` sets `WANDB_MODE` for the whole process, over what the user has
    put there, so the mode is given to `wandb.init` instead.

    Args:
        mode: `online`, `offline` or `disabled`; None: what `WANDB_DISABLED` or `WANDB_MODE` in the
            environment say, else `offline`.
        name: Of the run; None: in a sweep the job's number and swept values, else W&B invents one.
        group: Of runs that belong together; None: in a sweep the name of its directory.
        tags: Of the run; in a sweep each swept value is added.
        **kwargs: Arguments of `WandbLogger`.

    Returns:
        The logger; its run starts with the training.
    """
    job = sweep_job()
    if job is not None:
        name = name or " ".join([str(job.number), *job.labels])[:_LONGEST_NAME]
        group = group or job.group[:_LONGEST_NAME]
        tags = [*tags, *(label[:_LONGEST_TAG] for label in job.labels)]
        sweep = {"job": job.number, "directory": str(job.directory), "values": job.values}
        kwargs["config"] = {**(kwargs.get("config") or {}), "sweep": sweep}
    logger: WandbLogger = import_module(f"{in_use()}.loggers").WandbLogger(
        name=name,
        group=group,
        tags=list(tags),
        mode=mode or _mode_of_environment(),
        # A job says itself where its run is.
        settings=wandb.Settings(quiet=True),
        **kwargs,
    )
    # Lightning passes `anonymous=None`, which W&B 0.31 answers with a warning.
    logger._wandb_init.pop("anonymous", None)
    return logger


def _mode_of_environment() -> str:
    # W&B itself no longer looks at WANDB_DISABLED, which many scripts still set.
    if os.environ.get("WANDB_DISABLED", "").lower() in {"1", "true", "yes", "on"}:
        return "disabled"
    return os.environ.get("WANDB_MODE") or "offline"
