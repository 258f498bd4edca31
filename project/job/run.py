"""One training job, from its composed config to its summary."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
from lightning_fabric.utilities.exceptions import MisconfigurationException
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import LearningRateMonitor, ModelCheckpoint, ProgressBar

from gramscope import instantiate_callbacks, objective, probe_checkpoints
from gramscope.config.callbacks import watching
from gramscope.config.instantiate import ConfigError, build
from gramscope.config.probes import ProbeConfig
from gramscope.sweep.objective import check_objective
from project.job.page import page
from project.job.processes import processes_of_this_job, require_processes
from project.job.summary import close_wandb, finish

__all__ = ["INTERRUPTED", "train"]

# What a shell reports for a program that Ctrl-C ended.
INTERRUPTED = 130

# Lightning 2.6 on torch 2.13; nothing that anyone who trains here can change.
_OF_LIGHTNING = r"`isinstance\(treespec, LeafSpec\)`"


def train(cfg: DictConfig) -> float | list[float] | None:
    """Run one job.

    Args:
        cfg: What `conf/train.yaml` composes to.

    Returns:
        The metric, or metrics, that `objective` names, for a sweeper; None if it names none.

    Raises:
        ConfigError: If the config asks for something that can't be had.
        SystemExit: With code 130, after Ctrl-C.
    """
    pl.seed_everything(cfg.seed, workers=True)

    # Cheap ones first: a wrong value should not have to wait for the data.
    callbacks = instantiate_callbacks(cfg.callbacks)
    loggers = [build(node, f"logger.{name}") for name, node in (cfg.logger or {}).items() if node]
    trainer = _trainer(cfg.trainer, callbacks, loggers)
    check_objective(cfg.objective, callbacks, trainer.max_steps)
    require_processes(trainer)
    datamodule = _with_config_errors(build(cfg.data, "data"))
    model = build(cfg.model, "model")

    _start_loggers(trainer, OmegaConf.to_container(cfg, resolve=True))
    with processes_of_this_job():
        if cfg.checkpoints is None:
            _fit(trainer, model, datamodule, cfg)
        else:
            _look(trainer, model, datamodule, cfg)
    return objective(trainer, cfg.objective)


def _trainer(node: Any, callbacks: list[Any], loggers: list[Any]) -> pl.Trainer:
    if not loggers:
        # It refuses to run without one.
        callbacks = [c for c in callbacks if not isinstance(c, LearningRateMonitor)]
    if node.get("enable_progress_bar") is False:
        # So that one key silences a job, whatever its callbacks.
        callbacks = [c for c in callbacks if not isinstance(c, ProgressBar)]
    # Objects go past Hydra, which would copy them into the config.
    make: Callable[..., pl.Trainer] = build(node, "trainer", partial=True)
    try:
        trainer = make(callbacks=callbacks, logger=loggers or False)
    except (MisconfigurationException, ValueError, TypeError) as error:
        raise ConfigError(f"`trainer` can't be set up: {error}") from error
    if trainer.world_size > 1:
        # Saving meets the other ranks at a barrier; a rank that failed alone would wait there.
        for callback in trainer.checkpoint_callbacks:
            if isinstance(callback, ModelCheckpoint):
                callback.save_on_exception = False
    return trainer


def _start_loggers(trainer: pl.Trainer, hyperparameters: Any) -> None:
    """Hand over the config, which is also when a logger first meets its server."""
    for logger in trainer.loggers:
        try:
            logger.log_hyperparams(hyperparameters)
        except Exception as error:
            # What started before it would pass to the next job of a sweep.
            close_wandb(trainer, failed=True)
            name = type(logger).__name__
            raise ConfigError(f"{name} can't start: {error}") from error


def _with_config_errors(datamodule: pl.LightningDataModule) -> pl.LightningDataModule:
    """Report what is wrong with the data as what is wrong with the config is: without a trace.

    Only `setup` reads the files, and Lightning calls that within `fit`.
    """
    setup = datamodule.setup

    def setup_or_refuse(stage: str) -> None:
        try:
            setup(stage)
        except (ValueError, OSError) as error:
            raise ConfigError(f"`data` can't be set up: {error}") from error

    datamodule.setup = setup_or_refuse  # type: ignore[method-assign]
    return datamodule


def _look(trainer: Any, model: Any, datamodule: Any, cfg: DictConfig) -> None:
    """Look at the checkpoints of an earlier run."""
    outcome, callbacks = "failed", trainer.callbacks
    others = [c for c in watching(callbacks) if not isinstance(c.config, ProbeConfig)]
    trainer.callbacks = [c for c in callbacks if c not in others]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", _OF_LIGHTNING, FutureWarning)
            steps = probe_checkpoints(trainer, model, cfg.checkpoints, datamodule=datamodule)
        outcome = f"{len(steps)} checkpoints"
    except ValueError as error:
        raise ConfigError(f"`checkpoints`: {error}") from error
    finally:
        finish(trainer, outcome, page(cfg.output_dir, cfg.report))


def _fit(trainer: pl.Trainer, model: Any, datamodule: Any, cfg: DictConfig) -> None:
    outcome = "failed"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", _OF_LIGHTNING, FutureWarning)
            # Of volumes without a held-out part, `data=nifti`.
            warnings.filterwarnings("ignore", "You defined a `validation_step` but have no")
            trainer.fit(model, datamodule=datamodule, ckpt_path=cfg.ckpt_path)
        outcome = "finished"
    except SystemExit as stop:
        # This is how Lightning ends after Ctrl-C.
        if not isinstance(stop.__context__, KeyboardInterrupt):
            raise
        outcome = "interrupted"
        raise SystemExit(INTERRUPTED) from None
    finally:
        finish(trainer, outcome, page(cfg.output_dir, cfg.report))
