"""Where an event's files lie, and how a file is written and read."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from gramscope.events.event import Event

__all__ = [
    "append_event",
    "directory_of",
    "event_of",
    "files_of_steps",
    "film_file",
    "read_events",
    "stem",
    "write_atomically",
]

EVENTS_FILE = "events.jsonl"
"""Name of the account below a run's `save_dir`."""

_OF_A_STEP = re.compile(r"step_([0-9]{8,16})\.(?:png|npz)")


def directory_of(save_dir: Path, log_key: str) -> Path:
    """``<save_dir>/<log_key with '/' → '.'>``, where a heatmap's pictures are."""
    return save_dir / log_key.replace("/", ".")


def stem(save_dir: Path, log_key: str, step: int) -> Path:
    """``<directory>/step_00000100``, to which a suffix is added."""
    return directory_of(save_dir, log_key) / f"step_{step:08d}"


def film_file(save_dir: Path, log_key: str) -> Path:
    """``<directory>/film.png``, the pictures of a run beside each other."""
    return directory_of(save_dir, log_key) / "film.png"


def files_of_steps(directory: Path) -> Iterator[tuple[int, os.DirEntry[str]]]:
    """The step and the entry of each picture and each matrix in a directory, if it is there.

    Raises:
        OSError: If it cannot be read.
    """
    # A damaged log key may lead to what no path can be.
    not_there = (FileNotFoundError, NotADirectoryError, ValueError)
    with suppress(*not_there), os.scandir(directory) as entries:
        for entry in entries:
            if found := _OF_A_STEP.fullmatch(entry.name):
                yield int(found[1]), entry


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file, in directories made for it, that is there whole or not at all.

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


def append_event(save_dir: Path, event: Event) -> None:
    """Append an event's line to the account in one write, so that a killed run leaves whole lines.

    What a machine that went down has left of one is ended first: it would spoil this one too.

    Raises:
        OSError: If it cannot be written.
    """
    path = save_dir / EVENTS_FILE
    save_dir.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    data = f"{event.as_json()}\n".encode()
    try:
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":
            data = b"\n" + data
        if os.write(fd, data) < len(data):  # the disk is full: better no line than half a line
            os.ftruncate(fd, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(fd)


def read_events(path: Path) -> tuple[list[Event], list[str]]:
    """The events of an ``events.jsonl``, and what was wrong with the file.

    Raises:
        OSError: If it cannot be read.
    """
    found = []
    unreadable, problems = 0, []
    with path.open("rb") as file:
        for line in file:
            if (event := event_of(line)) is not None:
                found.append(event)
            elif line.endswith(b"\n"):
                unreadable += bool(line.strip())
            elif line.strip():  # of a run that is writing it, or was killed
                problems.append(f"the last line of {path.name} is cut off")
    if unreadable:
        noun = "line" if unreadable == 1 else "lines"
        problems.insert(0, f"{unreadable} unreadable {noun} in {path.name}")
    return found, problems


def event_of(line: bytes) -> Event | None:
    """The event of a line of the account; ``None`` if it is none."""
    try:
        return Event.from_json(line)
    except ValueError:
        return None
