"""W&B as the training job starts it: offline, unless somebody says otherwise."""

from __future__ import annotations

import os
from typing import Any

import wandb
from pytorch_lightning.loggers import WandbLogger

__all__ = ["wandb_logger"]


def wandb_logger(mode: str | None = None, **kwargs: Any) -> WandbLogger:
    """Make a `WandbLogger` that uploads nothing unasked.

    Lightning's own `offline=True` sets `WANDB_MODE` for the whole process, over what the user has
    put there, so the mode is given to `wandb.init` instead.

    Args:
        mode: `online`, `offline` or `disabled`; None: what `WANDB_DISABLED` or `WANDB_MODE` in the
            environment say, else `offline`.
        **kwargs: Arguments of `WandbLogger`.

    Returns:
        The logger; its run starts with the training.
    """
    # Quiet, because the job's own summary says where the run is.
    logger = WandbLogger(
        mode=mode or _mode_of_environment(), settings=wandb.Settings(quiet=True), **kwargs
    )
    # Lightning passes `anonymous=None`, which W&B 0.31 answers with a warning.
    logger._wandb_init.pop("anonymous", None)
    return logger


def _mode_of_environment() -> str:
    # W&B itself no longer looks at WANDB_DISABLED, which many scripts still set.
    if os.environ.get("WANDB_DISABLED", "").lower() in {"1", "true", "yes", "on"}:
        return "disabled"
    return os.environ.get("WANDB_MODE") or "offline"
