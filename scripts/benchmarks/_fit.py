"""One training run, with no callback, with ours or with the reference, timed from outside.

Two callbacks that do nothing but look at the clock stand before and behind the one that is
measured, so that all that Lightning needs to call it counts as well. Beside that counts what
calling the model took in excess of its own forward, which is where forward hooks spend their
time. Both are measured alike whichever callback stands between, also with none.
"""

from __future__ import annotations

import itertools
import logging
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from _models import FEATURE_KEY, Watched

__all__ = ["ARMS", "Fit", "fit"]

ARMS = ("none", "ours", "reference")
"""Which callback is measured."""

TIMEOUT_S = 120.0


@dataclass
class Fit:
    """What was seen of one run."""

    arm: str
    event_s: list[float] = field(default_factory=list)
    """Of each step: training-thread time between the clocks and in the model's hooks."""
    step_end: list[float] = field(default_factory=list)
    """The clock at each step's end."""
    started: float = 0.0
    ended: float = 0.0
    """The clock around the whole of `Trainer.fit`."""
    outcomes: dict[str, int] = field(default_factory=dict)
    """Of ours: how many due steps were logged, or skipped and why."""

    def steps_s(self, warm_up: int) -> list[float]:
        """Wall time of each step, from the end of the one before.

        Args:
            warm_up: Steps at the beginning that do not count, at least 1.
        """
        ends = self.step_end[warm_up - 1 :]
        return [end - start for start, end in itertools.pairwise(ends)]

    @property
    def fixed_s(self) -> float:
        """Wall time of `Trainer.fit` before its first step has ended and after its last."""
        return self.ended - self.started - (self.step_end[-1] - self.step_end[0])

    @property
    def tail_s(self) -> float:
        """Wall time from the last step's end to that of `Trainer.fit`."""
        return self.ended - self.step_end[-1]


def fit(
    arm: str,
    module: Watched,
    steps: int,
    every: int,
    max_samples: int,
    directory: Path,
    loggers: list[Any] | None = None,
    extra: list[Any] | None = None,
    **arguments: Any,
) -> Fit:
    """Train.

    Args:
        arm: One of `ARMS`.
        module: What is trained.
        steps: Optimizer steps.
        every: Steps between two due ones.
        max_samples: Rows of the matrix.
        directory: Where pictures go if no logger takes them.
        loggers: The trainer's.
        extra: Further callbacks, behind.
        **arguments: Of the trainer.
    """
    seen = Fit(arm)
    measured = _callback(arm, every, max_samples, directory, bool(loggers))
    callbacks = [_Opening(seen), *measured, _Closing(seen), *(extra or [])]
    trainer = _trainer(callbacks, directory, steps, loggers, arguments)
    seen.started = time.perf_counter()
    trainer.fit(module)
    seen.ended = time.perf_counter()
    for callback in measured:
        seen.outcomes = dict(getattr(callback, "outcomes", {}))
    return seen


def _callback(arm: str, every: int, max_samples: int, directory: Path, logged: bool) -> list[Any]:
    # Imported here, so that a run without a callback has nothing of it in memory.
    if arm == "ours":
        from gramscope.callbacks import GramMatrixCallback

        save_dir = None if logged else directory
        return [
            GramMatrixCallback(
                every, FEATURE_KEY, max_samples, save_dir=save_dir, timeout_s=TIMEOUT_S
            )
        ]
    if arm == "reference":
        from _reference import SynchronousGramCallback

        return [SynchronousGramCallback(every, FEATURE_KEY, max_samples, directory)]
    return []


def _trainer(
    callbacks: list[Any],
    directory: Path,
    steps: int,
    loggers: list[Any] | None,
    arguments: dict[str, Any],
) -> pl.Trainer:
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")
    defaults: dict[str, Any] = {
        "accelerator": "cpu",
        "devices": 1,
        "max_epochs": -1,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "use_distributed_sampler": False,
    }
    return pl.Trainer(
        callbacks=callbacks,
        max_steps=steps,
        logger=loggers or False,
        default_root_dir=str(directory),
        **{**defaults, **arguments},
    )


class _Opening(pl.Callback):
    """Stands before the callback that is measured."""

    def __init__(self, seen: Fit) -> None:
        self._seen = seen

    def on_train_batch_start(self, *_: Any) -> None:
        self._seen.event_s.append(-time.perf_counter())

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        self._seen.event_s[-1] += pl_module.call_s - time.perf_counter()


class _Closing(pl.Callback):
    """Stands behind it."""

    def __init__(self, seen: Fit) -> None:
        self._seen = seen

    def on_train_batch_start(self, *_: Any) -> None:
        self._seen.event_s[-1] += time.perf_counter()

    def on_train_batch_end(self, *_: Any) -> None:
        now = time.perf_counter()
        self._seen.event_s[-1] += now
        self._seen.step_end.append(now)


def seeded(make: Callable[[], Watched], seed: int) -> Watched:
    """A module whose weights and dropout are the same in every run with this seed.

    Args:
        make: Makes it.
        seed: Of all random numbers.
    """
    torch.manual_seed(seed)
    module = make()
    torch.manual_seed(seed)
    return module
