"""One training run, with no callback, with ours or with the reference, timed from outside.

Two callbacks that do nothing but look at the clock stand before and behind the one that is
measured, so that all that Lightning needs to call it counts as well. Beside that counts what
calling the model took in excess of its own forward, which is where forward hooks spend their
time. Both are measured alike whichever callback stands between, also with none.
"""

import logging
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from _models import FEATURE_KEY, Watched


class Fit(NamedTuple):
    """What was seen of one run."""

    event_ms: np.ndarray
    """``[steps]``: training-thread time between the clocks and in the model's hooks."""
    step_ms: np.ndarray
    """``[steps - 1]``: from one step's end to the next."""
    fixed_s: float
    """Wall time of training before its first step has ended and after its last."""
    outcomes: dict[str, int]
    """Of ours: how many due steps were logged, or skipped and why."""


def fit(
    callback: str,
    make: Callable[[], Watched],
    steps: int,
    max_samples: int,
    every: int = 1,
    seed: int = 0,
    wandb: bool = False,
    extra: Sequence[pl.Callback] = (),
    **arguments: Any,
) -> Fit:
    """Train with ``none`` of the callbacks, with ``ours``, its ``numbers`` or the ``reference``.

    Runs with the same seed have the same weights and the same dropout. Pictures go to files or,
    offline, to W&B. Other callbacks than the measured one stand behind it.
    """
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")
    torch.manual_seed(seed)
    module, before, behind = make(), _Clock(), _Clock()
    torch.manual_seed(seed)
    with TemporaryDirectory(prefix="gramscope-bench-") as directory:
        logger = _wandb(directory) if wandb else False
        measured = _callback(callback, every, max_samples, None if wandb else Path(directory))
        trainer = pl.Trainer(
            callbacks=[before, *measured, behind, *extra],
            max_steps=steps,
            max_epochs=-1,
            logger=logger,
            default_root_dir=directory,
            accelerator="cpu",
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            **{"devices": 1, **arguments},
        )
        start = time.perf_counter()
        trainer.fit(module)
        whole_s = time.perf_counter() - start
        if logger:
            logger.experiment.finish()
    event_s = sum(np.subtract(behind.times[i], before.times[i]) for i in range(2)) + before.call_s
    ends = behind.times[1]
    outcomes = dict(measured[0].outcomes) if callback in ("ours", "numbers") else {}
    return Fit(1e3 * event_s, 1e3 * np.diff(ends), whole_s - (ends[-1] - ends[0]), outcomes)


def _wandb(directory: str) -> Any:
    from gramscope.sweep.wandb_run import wandb_logger

    logger = wandb_logger("offline", save_dir=directory, project="bench")
    _ = logger.experiment  # starts the run before anything is measured
    return logger


def _callback(name: str, every: int, max_samples: int, save_dir: Path | None) -> list[Any]:
    # Imported here, so that a run without a callback has nothing of it in memory.
    if name == "ours":
        from gramscope.callbacks import GramMatrixCallback

        where = {"save_dir": save_dir, "timeout_s": 120.0}
        return [GramMatrixCallback(every, FEATURE_KEY, max_samples, alert=False, **where)]
    if name == "numbers":
        from gramscope.callbacks import GramMatrixCallback

        often = {"metrics_every_n_steps": every, "views": 2, "save_dir": save_dir}
        return [GramMatrixCallback(1_000_000, FEATURE_KEY, max_samples, alert=False, **often)]
    if name == "reference":
        from _reference import SynchronousGramCallback

        return [SynchronousGramCallback(every, FEATURE_KEY, max_samples, save_dir)]
    return []


class _Clock(pl.Callback):
    """Notes when each step begins and ends, and what the model's hooks took meanwhile."""

    def __init__(self) -> None:
        self.times: tuple[list[float], list[float]] = ([], [])
        self.call_s: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.times[0].append(time.perf_counter())

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        self.times[1].append(time.perf_counter())
        self.call_s.append(pl_module.call_s)


def turns(runs: Sequence[str], number: int) -> list[str]:
    """The runs of one round, of which another comes first in each round."""
    first = number % len(runs)
    return [*runs[first:], *runs[:first]]


def events(fits: Sequence[Fit]) -> str:
    """What became of the due steps of some runs."""
    names = dict.fromkeys(name for each in fits for name in each.outcomes)
    return ", ".join(f"{name} {sum(f.outcomes.get(name, 0) for f in fits)}" for name in names)
