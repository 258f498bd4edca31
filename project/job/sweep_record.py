"""A sweep's directory: claimed before the jobs, with a record of what was asked.

No torch here: Hydra imports this before the jobs.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from project.job.shell import program, short

__all__ = ["SweepRecord"]


class SweepRecord(Callback):
    """Hydra callback that keeps sweeps apart and leaves the record that Optuna's sweeper does not.

    Two sweeps that start in the same second have the same directory by default, and would write
    over each other's jobs.
    """

    def __init__(self) -> None:
        self._lock: int | None = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Claim the directory and write ``multirun.yaml``, as Hydra's own sweeper does.

        Args:
            config: Of the whole sweep.
            **kwargs: Not used.

        Raises:
            SystemExit: If another sweep is running there; Hydra would only warn of an `Exception`.
        """
        directory = Path(config.hydra.sweep.dir)
        directory.mkdir(parents=True, exist_ok=True)
        # The system lets go of it when this process ends, however it ends.
        self._lock = os.open(directory / ".sweep.lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SystemExit(
                f"Another sweep is running in '{directory}'. "
                f"Start again, or choose another directory with hydra.sweep.dir=DIR."
            ) from None
        except OSError:
            pass  # a file system without locks
        OmegaConf.save(config, directory / "multirun.yaml")

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Say which command compares the jobs; not reached if a job or the sweeper failed.

        Args:
            config: Of the whole sweep.
            **kwargs: Not used.
        """
        directory = shlex.quote(short(config.hydra.sweep.dir))
        sys.stdout.write(f"\ncompare     {program('gramscope')} sweep-report {directory}\n")
        sys.stdout.flush()
