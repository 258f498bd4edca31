"""Says at the level of information what somebody is meant to see."""

from __future__ import annotations

import logging

from gramscope.callbacks._lightning import rank_zero_info

__all__ = ["say", "warn_too_short"]

log = logging.getLogger("gramscope")


_TOO_SHORT = (
    "%s: training %s at step %d, before the first step that is due, %d (%s): nothing is logged. "
    "Lower it."
)


def warn_too_short(title: str, how: str, last: int, due: int, setting: str) -> None:
    """Say that a run is over before anything is due.

    Args:
        title: What is watched.
        how: ``ends`` or ``has ended``.
        last: The run's last step.
        due: The step that would be the first due one.
        setting: What to change, as it is written.
    """
    log.warning(_TOO_SHORT, title, how, last, due, setting)


def say(text: str) -> None:
    """Log on rank 0; by Lightning's own handler in a program that has not configured logging."""
    if log.hasHandlers():
        log.info("%s", text)
    else:
        rank_zero_info(text)
