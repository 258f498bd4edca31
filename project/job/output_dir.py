"""A run that can't write its results says so before it starts.

No torch here: Hydra imports this before the job.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

__all__ = ["OutputDirCheck"]


class OutputDirCheck(Callback):
    """Hydra callback that checks the output directory ahead of Hydra's own use of it.

    It ends the program with SystemExit, since Hydra turns any `Exception` of a callback into a
    warning and goes on to a stack trace.
    """

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the directory of a single run."""
        _check(config.hydra.run.dir, key="hydra.run.dir")

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the directory of a sweep."""
        _check(config.hydra.sweep.dir, key="hydra.sweep.dir")


def _check(directory: str, key: str) -> None:
    try:
        Path(directory).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise SystemExit(
            f"Can't write to the output directory '{directory}': {error.strerror}. "
            f"Choose another with {key}=DIR."
        ) from error
