"""Paths and programs as somebody at a terminal would type them."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

__all__ = ["program", "short"]


def program(name: str) -> str:
    """Return how to call a program: by name if the shell finds it, else beside our Python.

    Args:
        name: Of the program.
    """
    beside = Path(sys.executable).with_name(name)
    return name if shutil.which(name) or not beside.exists() else short(beside)


def short(path: str | Path) -> str:
    """Return a path relative to where the user is, if it lies below that.

    Args:
        path: Any path.
    """
    # A job with hydra.job.chdir=true is elsewhere.
    start = HydraConfig.get().runtime.cwd if HydraConfig.initialized() else Path.cwd()
    relative = os.path.relpath(path, start)
    return str(path) if relative.startswith("..") else relative
