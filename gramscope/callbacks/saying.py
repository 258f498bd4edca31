"""Says at the level of information what somebody is meant to see."""

from __future__ import annotations

import logging

from gramscope.callbacks._lightning import rank_zero_info

__all__ = ["say"]

log = logging.getLogger("gramscope")


def say(text: str) -> None:
    """Log on rank 0; by Lightning's own handler in a program that has not configured logging."""
    if log.hasHandlers():
        log.info("%s", text)
    else:
        rank_zero_info(text)
