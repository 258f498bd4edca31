"""Says each kind of trouble once."""

from __future__ import annotations

import logging

__all__ = ["Notices"]

log = logging.getLogger(__name__)


class Notices:
    """Warns of each kind of trouble when it first occurs; later ones are in the account."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def warn(self, kind: str, message: str) -> None:
        """Warn, unless this kind was warned of before.

        Args:
            kind: What counts as the same trouble.
            message: One sentence, with or without its full stop.
        """
        if kind not in self._told:
            self._told.add(kind)
            log.warning(
                "%s. Training goes on; further ones like it are only counted.",
                message.rstrip("."),
            )
