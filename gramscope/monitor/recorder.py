"""What becomes of an event on rank 0: a picture, files, and a line of account."""

from __future__ import annotations

import shutil
import tempfile
import textwrap
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from math import nan
from pathlib import Path

from gramscope.events import Event, Matrix, Reason
from gramscope.events.files import append_event, film_file, stem, write_atomically
from gramscope.monitor.due_step import Channel
from gramscope.monitor.place import Place
from gramscope.monitor.warn_once import WarnOnce
from gramscope.monitor.worker import Worker
from gramscope.picture.client import RenderClient
from gramscope.picture.look import Course
from gramscope.picture.strip import Strip

__all__ = ["Recorder", "why_abandoned"]

_MOST_WAITING = 64 << 20
"""Bytes of matrices that may wait to be drawn."""
_LEAST = _MOST_WAITING // 128
"""What even the smallest counts, because drawing takes its time."""

_TOO_MANY = (
    "Pictures cannot keep up with steps. Raise log_every_n_steps, or lower max_samples; the disk "
    "may also be slow"
)


class Recorder:
    """Draws and keeps events on a thread of its own, so that a slow disk delays no peer.

    An event comes here twice: to be drawn, and once loggers have had it for its line of account.
    """

    def __init__(self, timeout_s: float, warn: WarnOnce) -> None:
        self._renderer = RenderClient(timeout_s)
        self._warn = warn
        self._scratch: Path | None = None
        self._unwritten: list[tuple[Channel, Event]] = []
        self._worker: Worker[tuple[Channel, Event]] = Worker(
            self._work, self._abandon, retry=lambda item: False, name="gramscope-recorder"
        )

    def start(self) -> None:
        """Start thread and helper process now, so that the first picture need not wait for it."""
        self._worker.start(self._renderer.start)  # what it raises, the first picture will say

    def put(self, channel: Channel, event: Event) -> None:
        """Queue an event; never waits. Too much that waits to be drawn costs it its picture."""
        size = _bytes_to_draw((channel, event))
        waiting = self._worker.waiting(_bytes_to_draw) if size else 0
        if waiting and waiting + size > _MOST_WAITING:
            self._warn(f"{channel.log_key}: backlog", _TOO_MANY)
            event.matrix = None
            event.skip(Reason.backlog)
        self._worker.put((channel, event))

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until everything queued is done; whether it is."""
        return self._worker.wait_idle(timeout_s)

    def close(self) -> None:
        """End the thread and the helper; what still waits ends as skipped."""
        with ExitStack() as ends:  # each whatever happens to the others, the last one first
            if self._scratch is not None:
                ends.callback(shutil.rmtree, self._scratch, ignore_errors=True)
            ends.callback(self._renderer.close)
            ends.callback(self._write_rest)
            ends.callback(self._worker.close)

    def _write_rest(self) -> None:
        for channel, event in self._unwritten:
            self._file(channel, event)

    def _abandon(self, item: tuple[Channel, Event], error: Exception | None) -> None:
        channel, event = item
        if error is not None:
            self._warn(Reason.event_failed.name, f"Step {event.step} is lost: {error!r}")
        if event.published:
            if error is None and not self._worker.closed:  # on training's thread, amid training
                self._unwritten.append(item)
            else:
                self._file(channel, event)
            return
        # A copy: the thread may still be at work on the original.
        event = replace(event, png=None, picture=None, prepared=None)
        if event.matrix is not None:
            event.skip(why_abandoned(self._worker.closed, error))
        channel.finished.append(event)

    def _work(self, item: tuple[Channel, Event]) -> Callable[[], None] | None:
        channel, event = item
        if event.published:
            self._file(channel, event)
            return None
        if event.outcome == "unknown":
            event = replace(event)
            self._complete(channel, event, event.matrix)
        return partial(channel.finished.append, event)

    def _complete(self, channel: Channel, event: Event, matrix: Matrix | None) -> None:
        event.log()
        place = channel.place if self._is_ready(channel.place, event) else None
        event.kept = place is not None
        if matrix is None:  # numbers alone
            return
        npz = matrix.npz()
        event.png = self._draw(channel, event, npz)
        event.kept = place is not None and self._keep(event, npz, place.directory)
        if event.png is not None and not event.kept:
            self._keep_for_a_while(event, event.png)
        if event.png is not None and channel.prepare is not None:
            event.prepared = channel.prepare(event)
        if channel.strip is not None:
            event.film = self._film(channel, channel.strip, event, npz)

    def _film(self, channel: Channel, strip: Strip, event: Event, npz: bytes) -> Event | None:
        """The event beside earlier ones; ``None`` where it is the first, or cannot be drawn."""
        try:
            strip.add(event.step, npz, event.metrics.get("gram_drift", nan))
            if len(strip) < 2:
                return None
            course = Course("gram_drift", strip.values)
            png = self._renderer.film(strip.npzs, strip.steps, event.name, channel.look, course)
            film = Event(event.step, f"{event.log_key}/film", event.feature_key, png=png)
            film.name, film.n = f"{event.name}, steps {_listed(strip.steps)}", event.n
            film.world_size = event.world_size
            film.log()
            if event.kept and channel.place is not None:
                film.picture = film_file(channel.place.directory, event.log_key)
                write_atomically(film.picture, png)
            film.prepared = None if channel.prepare is None else channel.prepare(film)
        except Exception as error:  # the event does without
            self._warn(f"film: {error}", f"Step {event.step} is in no film: {error}")
            return None
        return film

    def _draw(self, channel: Channel, event: Event, npz: bytes) -> bytes | None:
        try:
            return self._renderer.png(npz, _title(event), channel.look)
        except Exception as error:  # the numbers do without
            self._warn(f"drawing: {error}", f"Step {event.step} has no picture: {error}")
            event.remark(Reason.render_failed.name)
            return None

    def _is_ready(self, place: Place | None, event: Event) -> bool:
        try:
            if place is not None:
                place.make_ready(event.step)
        except Exception as error:
            return self._not_saved(event, error)
        return True

    def _keep(self, event: Event, npz: bytes, save_dir: Path) -> bool:
        path = stem(save_dir, event.log_key, event.step)
        try:
            write_atomically(path.with_suffix(".npz"), npz)
            if event.png is not None:
                write_atomically(path.with_suffix(".png"), event.png)
                event.picture = path.with_suffix(".png")
        except Exception as error:
            return self._not_saved(event, error)
        return True

    def _not_saved(self, event: Event, error: Exception) -> bool:
        self._warn("disk", f"Step {event.step} could not be saved: {error}")
        event.remark(Reason.not_saved.name)
        return False

    def _keep_for_a_while(self, event: Event, png: bytes) -> None:
        """Write a file for loggers that would rather copy one than encode the picture again."""
        with suppress(OSError):  # they can still take the bytes
            if self._scratch is None:
                self._scratch = Path(tempfile.mkdtemp(prefix="gramscope-"))
            path = stem(self._scratch, event.log_key, event.step).with_suffix(".png")
            write_atomically(path, png)
            event.picture = path

    def _file(self, channel: Channel, event: Event) -> None:
        if event.picture is not None and not event.kept:
            event.picture.unlink(missing_ok=True)
        if channel.place is None:
            return
        try:
            channel.place.make_ready(event.step)
            append_event(channel.place.directory, event)
        except OSError as error:
            self._warn("account", f"events.jsonl could not be written: {error}")
        try:
            channel.place.settle(event)
        except OSError as error:
            self._warn("thinning", f"{channel.place.directory} takes more than it may: {error}")


def why_abandoned(closed: bool, error: Exception | None) -> Reason:
    """Why an event is lost: what was raised, the end of the run, or that of a thread."""
    if error is not None:
        return Reason.event_failed
    return Reason.shutdown if closed else Reason.monitor_died


def _listed(steps: list[int]) -> str:
    return ", ".join(map(str, steps))


def _bytes_to_draw(item: tuple[Channel, Event]) -> int:
    event = item[1]
    if event.matrix is None or event.published:
        return 0
    grams = 1 + len(event.matrix.others)
    return max(event.matrix.gram.nbytes * grams, _LEAST)


def _title(event: Event) -> str:
    matrix, state = event.matrix, event.state
    of = event.name
    if matrix and matrix.others and of == event.feature_key:  # each has its name above it
        of = f"{1 + len(matrix.others)} features"
    what = f"{of}   step {event.step}   N = {event.n}   world size {event.world_size}"
    below = [f"{state.title} since step {state.since}"] if state and state.alarm else []
    below += [event.reason] if event.reason else []
    return what + f"\n{textwrap.shorten('; '.join(below), 90)}".rstrip()
