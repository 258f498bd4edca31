"""Where a monitor keeps its events, so that a directory holds those of one run."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from pathlib import Path

from gramscope.events import Event
from gramscope.events.earlier import make_room
from gramscope.events.files import EVENTS_FILE, read_events, stem
from gramscope.events.thinning import Kept, Shelf

__all__ = ["Place", "require_own_pictures"]

log = logging.getLogger(__name__)

_THINNED = (
    "Pictures and matrices in %s take save_limit_mb=%g: from now on some go, so that those that "
    "stay are spread evenly. events.jsonl keeps the numbers of every event."
)

_open: list[Place] = []
"""Of all monitors of this process that have not ended."""
_one_at_a_time = threading.Lock()


class Place:
    """One monitor's part of a directory; those that are open at the same time are of one run.

    Args:
        directory: Absolute.
        log_key: Names the pictures there.
        title: What is watched.
        limit_mb: Megabytes that pictures and matrices may take, of all monitors that keep theirs
            there; of several limits the lowest counts. ``None``: any number.
    """

    def __init__(
        self, directory: Path, log_key: str, title: str, limit_mb: float | None = None
    ) -> None:
        self.directory = directory
        self.start: int | None = None
        """Step that the run goes on from, 0 for a new one; ``None``: not known."""
        self.adds = False
        """Whether what is there stays, of whatever run it is."""
        self._log_key = log_key
        self._title = title
        self._limit_mb = limit_mb
        self._first: int | None = None
        self._shelf: Shelf | None = None
        left_open = [other for other in _in(directory) if other._log_key == log_key]
        for other in left_open:  # of a run that this one takes the place of
            other.close()
        _open.append(self)  # before it looks round, so that who gets ready now finds it
        if not left_open:
            self._shelf = next((p._shelf for p in _in(directory) if p._shelf is not None), None)

    def close(self) -> None:
        """Be none of those any more that are of one run with what comes."""
        with suppress(ValueError):
            _open.remove(self)

    def make_ready(self, step: int) -> None:
        """Move aside what is there of another run, before the first event is written.

        Raises:
            OSError: If that cannot be done, and nothing is to be written there.
        """
        if self._shelf is not None:
            return
        self._first = step if self._first is None else self._first
        with _one_at_a_time:
            if self._shelf is None:  # nor has another made it meanwhile
                shelf = self._add() if self.adds else self._make_room(self._first)
                for place in (self, *_in(self.directory)):
                    place._shelf = shelf

    def settle(self, event: Event) -> None:
        """Count in the files of an event that loggers have had, and remove what is too much.

        Raises:
            OSError: If a file cannot be removed, which then is counted no longer, or if nothing is
                left to remove.
        """
        with _one_at_a_time:
            shelf = self._shelf
            if shelf is None or self not in _open:
                return
            files = self._files(event) if event.drawn else []
            if sizes := [file.stat().st_size for file in files if file.is_file()]:
                shelf.put(event, sum(sizes))
            limits = [p._limit_mb for p in _in(self.directory) if p._limit_mb is not None]
            if limits:
                self._thin(shelf, min(limits))

    def _thin(self, shelf: Shelf, limit_mb: float) -> None:
        for gone in shelf.surplus(limit_mb * 1e6):
            if shelf.gone == 1:
                log.info(_THINNED, self.directory, limit_mb)
            for file in self._files(gone):
                file.unlink(missing_ok=True)
        if shelf.gone and not shelf.size:
            raise OSError(f"save_limit_mb={limit_mb:g} has no room for a single event")

    def _files(self, event: Event | Kept) -> list[Path]:
        path = stem(self.directory, event.log_key, event.step)
        return [path.with_suffix(suffix) for suffix in (".npz", ".png")]

    def _add(self) -> Shelf:
        """Leave everything where it is."""
        found: list[Event] = []
        with suppress(FileNotFoundError):
            found, _ = read_events(self.directory / EVENTS_FILE)
        return Shelf.of(self.directory, [self._log_key], found)

    def _make_room(self, first: int) -> Shelf:
        starts = [p.start for p in (self, *_in(self.directory)) if p.start is not None]
        start = max(starts, default=None)
        room = make_room(self.directory, self._log_key, first, start)
        if room.aside is not None:
            of = f"later than step {room.after}" if room.after >= 0 else "of an earlier run"
            log.warning("Events %s in %s were moved to %s.", of, self.directory, room.aside)
        elif room.after >= 0 and start is None:
            log.info("The run in %s goes on with step %s.", self.directory, first)
        log_keys = [place._log_key for place in (self, *_in(self.directory))]
        return Shelf.of(self.directory, log_keys, room.events)


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
