"""The account of a run that goes on: of a file that has been read only new lines are."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from gramscope.events import Event
from gramscope.events.files import event_of
from gramscope.report.files import plain
from gramscope.report.history import Columns, History, columns, gather

__all__ = ["Account"]


class Account:
    """One ``events.jsonl``.

    Args:
        path: Where it is, or will be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.changed = 0.0
        """When it was last written to, in seconds since 1970."""
        self.reads = 0
        """How often there was something new in it."""
        self._denied = ""
        self._begin()

    def _begin(self) -> None:
        self._seen: tuple[int, int, int] | None = None
        self._end = 0  # of the last whole line
        self._unreadable = 0
        self._cut_off = False
        self._found: dict[tuple[str, str], tuple[History, Columns]] = {}

    @property
    def watched(self) -> list[tuple[History, Columns]]:
        """Each thing watched, with all its events so far, and their numbers."""
        return list(self._found.values())

    @property
    def problems(self) -> list[str]:
        """What could not be read."""
        name = self.path.name
        lines = f"{self._unreadable} unreadable line{'s' * (self._unreadable != 1)} in {name}"
        cut_off = f"the last line of {name} is cut off"
        said = {self._denied: self._denied, lines: self._unreadable, cut_off: self._cut_off}
        return [problem for problem, holds in said.items() if holds]

    def read_on(self) -> bool:
        """Read what is new, and say whether anything is."""
        before, self._denied = self._denied, ""
        try:
            data = self._new_data()
        except FileNotFoundError:  # moved aside by a new run
            data = b"" if self._seen else None
            self._begin()
        except OSError as error:
            self._denied = f"{self.path.name} is unreadable ({plain(error.strerror)})"
            return self._denied != before
        if data is None:
            return before != ""
        self._take(data)
        self.reads += 1
        return True

    def _new_data(self) -> bytes | None:
        with self.path.open("rb") as file:
            about = os.fstat(file.fileno())
            seen = (about.st_ino, about.st_size, about.st_mtime_ns)
            if seen == self._seen:
                return None
            if not self._continues(file, about):
                self._begin()
            self._seen, self.changed = seen, about.st_mtime
            file.seek(self._end)
            return file.read()

    def _continues(self, file: BinaryIO, about: os.stat_result) -> bool:
        """Whether it is the file that was read before, with more at its end."""
        if self._seen and self._seen[0] != about.st_ino:
            return False
        file.seek(max(self._end - 1, 0))
        return not self._end or file.read(1) == b"\n"

    def _take(self, data: bytes) -> None:
        *whole, last = data.split(b"\n")
        self._end += len(data) - len(last)
        read = [event_of(line) for line in whole if line.strip()]
        self._unreadable += read.count(None)
        # A line without its end may still be written: it is read again.
        rest = event_of(last) if last.strip() else None
        self._cut_off = bool(last.strip()) and rest is None
        self._add(event for event in (*read, rest) if event is not None)

    def _add(self, events: Iterable[Event]) -> None:
        for new in gather(events, self.path.parent):
            key = new.title, new.log_key
            if key not in self._found:
                self._found[key] = new, columns(new)
                continue
            history, numbers = self._found[key]
            follows = min(new.events) > history.last_step
            history.events.update(new.events)
            history.on_disk = new.on_disk
            if follows:
                for name, values in columns(new).items():
                    numbers.setdefault(name, {}).update(values)
            else:
                history.events = dict(sorted(history.events.items()))
                self._found[key] = history, columns(history)
