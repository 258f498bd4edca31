"""Says each kind of trouble once."""

from __future__ import annotations

import logging

__all__ = ["WarnOnce"]

log = logging.getLogger(__name__)


class WarnOnce:
    """Warns of each kind of trouble when it first occurs; later ones are in the account."""

    def __init__(self, level: int = logging.WARNING) -> None:
        self._level = level
        self._warned: set[str] = set()

    def __call__(self, kind: str, message: str) -> None:
        """Warn, unless this kind was warned of before."""
        if kind not in self._warned:
            self._warned.add(kind)
            log.log(
                self._level,
                "%s. Training goes on; further ones like it are only counted.",
                message.rstrip("."),
            )
