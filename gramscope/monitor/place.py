"""Where a monitor keeps its events, so that a directory holds those of one run."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from pathlib import Path

from gramscope.events.earlier import make_room

__all__ = ["Place", "require_own_pictures"]

log = logging.getLogger(__name__)

_open: list[Place] = []
"""Of all monitors of this process that have not ended."""
_one_at_a_time = threading.Lock()


class Place:
    """One monitor's part of a directory; those that are open at the same time are of one run.

    Args:
        directory: Absolute.
        log_key: Names the pictures there.
        title: What is watched.
    """

    def __init__(self, directory: Path, log_key: str, title: str) -> None:
        self.directory = directory
        self.start: int | None = None
        """Step that the run goes on from, 0 for a new one; ``None``: not known."""
        self._log_key = log_key
        self._title = title
        self._first: int | None = None
        self._ready = False
        left_open = [other for other in _in(directory) if other._log_key == log_key]
        for other in left_open:  # of a run that this one takes the place of
            other.close()
        _open.append(self)  # before it looks round, so that who gets ready now finds it
        if not left_open and any(other._ready for other in _in(directory)):
            self._ready = True

    def close(self) -> None:
        """Be none of those any more that are of one run with what comes."""
        with suppress(ValueError):
            _open.remove(self)

    def make_ready(self, step: int) -> None:
        """Move aside what is there of another run, before the first event is written.

        Raises:
            OSError: If that cannot be done, and nothing is to be written there.
        """
        if self._ready:
            return
        self._first = step if self._first is None else self._first
        with _one_at_a_time:
            if not self._ready:  # nor has it become so meanwhile
                self._make_room(self._first)
                self._ready = True
                for other in _in(self.directory):
                    other._ready = True

    def _make_room(self, first: int) -> None:
        starts = [p.start for p in (self, *_in(self.directory)) if p.start is not None]
        start = max(starts, default=None)
        room = make_room(self.directory, self._log_key, first, start)
        if room.aside is not None:
            of = f"later than step {room.after}" if room.after >= 0 else "of an earlier run"
            log.warning("Events %s in %s were moved to %s.", of, self.directory, room.aside)
        elif room.after >= 0 and start is None:
            log.info("The run in %s goes on with step %s.", self.directory, first)


def _in(directory: Path) -> list[Place]:
    return [place for place in tuple(_open) if place.directory == directory]


def require_own_pictures(directory: Path, log_key: str, title: str) -> None:
    """Refuse a monitor whose pictures would take the place of another's.

    Raises:
        ValueError: If another feature is watched under the same key and kept in the same place.
    """
    for other in _in(directory):
        if other._log_key == log_key and other._title != title:
            raise ValueError(
                f"Expected argument `log_key` to be another than that of the monitor of "
                f"{other._title!r}, which keeps its pictures in the same `save_dir`, but got "
                f"{log_key!r}."
            )
