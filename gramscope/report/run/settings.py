"""What runs were set to, as Hydra keeps it."""

from __future__ import annotations

from pathlib import Path

from gramscope.report.files import plain
from gramscope.report.runs import Run

__all__ = ["config_text", "overrides"]

_LONGEST = 200_000
"""Characters of a config."""


def overrides(run: Run) -> list[str]:
    """What was written on the command line."""
    return [f"{key}={value}" for key, value in run.job.overrides.items()]


def config_text(run: Run) -> str:
    """The config, line by line; empty where none was kept."""
    return _text(run.directory / ".hydra" / "config.yaml")


def _text(path: Path) -> str:
    try:
        text = path.read_bytes()[:_LONGEST].decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(map(plain, text.splitlines()))
