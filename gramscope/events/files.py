"""Where an event's files lie, and how a file is written. No torch here: reports read them too."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["directory_of", "stem", "write_atomically"]


def directory_of(save_dir: Path, log_key: str) -> Path:
    """``<save_dir>/<log_key with '/' → '.'>``, where a heatmap's pictures are.

    Args:
        save_dir: Directory of the run.
        log_key: Logger key of the heatmap.
    """
    return save_dir / log_key.replace("/", ".")


def stem(save_dir: Path, log_key: str, step: int) -> Path:
    """``<directory>/step_00000100``, to which a suffix is added.

    Args:
        save_dir: Directory of the run.
        log_key: Logger key of the heatmap.
        step: Optimizer step.
    """
    return directory_of(save_dir, log_key) / f"step_{step:08d}"


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all.

    Args:
        path: Where; missing directories are made.
        data: What.

    Raises:
        OSError: If it cannot be written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two reports of one sweep may be made at the same time.
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
