"""A directory of events that is used again: what it holds of another run is moved aside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import count, pairwise
from pathlib import Path
from typing import NamedTuple

from gramscope.events.event import Event
from gramscope.events.files import (
    EVENTS_FILE,
    directory_of,
    event_of,
    files_of_steps,
    film_file,
    write_atomically,
)

__all__ = ["EARLIER", "Room", "make_room"]

EARLIER = "previous_runs"
"""Name of the directory below a `save_dir` that has a numbered one for each former run."""


class Room(NamedTuple):
    """What a run finds in its directory."""

    after: int
    """The step that it goes on from; -1: it is a new one."""
    aside: Path | None
    """Where the events now are that it does not go on from; ``None``: there were none."""
    events: list[Event]
    """Those on record that it goes on from."""


class _Line(NamedTuple):
    text: bytes
    event: Event | None


def make_room(save_dir: Path, log_key: str, first: int, start: int | None = None) -> Room:
    """Leave in a directory only what the run goes on from that now has its first event there.

    Args:
        save_dir: The directory, which need not be there.
        log_key: Of the event; a former run may have left its pictures and no line.
        first: Step of the event.
        start: Step that the run goes on from, 0 for a new one. ``None``: not known; then it goes
            on with what is there if the step follows as those on record follow one another.

    Raises:
        OSError: If something cannot be moved; then what is there may be in two places, and
            another call takes up the rest.
    """
    lines = _read(save_dir / EVENTS_FILE)
    events = [line.event for line in lines if line.event is not None]
    after = _after(sorted({event.step for event in events}), first, start)
    kept, gone = _split(lines, after)
    of_steps = [*_of_steps(save_dir, {log_key, *(event.log_key for event in events)}, after)]
    if not gone and not of_steps:
        return Room(after, None, events)
    aside = _new_directory(save_dir / EARLIER)
    for file in of_steps:
        there = aside / file.relative_to(save_dir)
        there.parent.mkdir(exist_ok=True)
        file.rename(there)
    _move_lines(save_dir / EVENTS_FILE, aside / EVENTS_FILE, kept, gone)
    return Room(after, aside, [event for event in events if event.step <= after])


def _read(path: Path) -> list[_Line]:
    try:
        texts = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    return [_Line(text, event_of(text)) for text in texts]


def _after(steps: Sequence[int], first: int, start: int | None) -> int:
    if start is not None:
        return start if 0 < start < first else -1
    if not steps:
        return -1
    widest = max(later - earlier for earlier, later in pairwise([0, *steps]))
    return first - 1 if steps[-1] < first <= steps[-1] + widest else -1


def _split(lines: Iterable[_Line], after: int) -> tuple[list[bytes], list[bytes]]:
    """The lines up to a step, and those after it; a damaged one goes with the one before it."""
    kept: list[bytes] = []
    gone: list[bytes] = []
    at = gone if after < 0 else kept
    for line in lines:
        if line.event is not None:
            at = gone if line.event.step > after else kept
        at.append(line.text)
    return kept, gone


def _of_steps(save_dir: Path, log_keys: Iterable[str], after: int) -> Iterator[Path]:
    for log_key in sorted(log_keys):
        there = files_of_steps(directory_of(save_dir, log_key))
        yield from sorted(Path(file.path) for step, file in there if step > after)
        film = film_file(save_dir, log_key)
        if after < 0 and film.is_file():
            yield film


def _new_directory(parent: Path) -> Path:
    for number in count(1):
        with suppress(FileExistsError):
            (parent / str(number)).mkdir(parents=True)
            return parent / str(number)
    raise AssertionError


def _move_lines(path: Path, aside: Path, kept: Sequence[bytes], gone: Sequence[bytes]) -> None:
    """Last of all: as long as they are there, so is the sign that something is to be moved."""
    if gone and not kept:
        path.rename(aside)
    elif gone:
        write_atomically(aside, b"".join(gone))
        write_atomically(path, b"".join(kept))
