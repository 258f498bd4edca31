"""The last word of a sweep: how to compare its jobs.

No torch here: Hydra imports this before the jobs.
"""

from __future__ import annotations

import shlex
import sys
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from project.shell import program, short

__all__ = ["SweepEnd"]


class SweepEnd(Callback):
    """Hydra callback that says at the end of a sweep which command compares the jobs."""

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Say it, also after a sweep that failed: its jobs so far may tell why."""
        directory = shlex.quote(short(config.hydra.sweep.dir))
        sys.stdout.write(f"\ncompare     {program('gramscope')} sweep-report {directory}\n")
        sys.stdout.flush()
