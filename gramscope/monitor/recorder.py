"""What becomes of a matrix on rank 0: a picture, files, and a line of account."""

from __future__ import annotations

import shutil
import tempfile
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from gramscope.events.files import stem, write_atomically
from gramscope.events.event import Event
from gramscope.monitor.notices import Notices
from gramscope.picture.client import RenderClient, RenderError
from gramscope.events.storage import append_line, npz_bytes
from gramscope.monitor.worker import Worker

__all__ = ["Exhibit", "Gallery"]


_MAX_WAITING = 128
_MAX_WAITING_BYTES = 64 << 20


@dataclass
class Exhibit:
    """An event on its way to a picture, or already skipped."""

    event: Event
    finished: deque[Event]
    """Where it goes at its end."""
    save_dir: Path | None = None
    """Where it is kept; ``None``: nowhere."""
    prepare: Callable[[Event], Any] | None = None
    """See `Watch.prepare`."""
    gram: Tensor | None = None
    """``[N, N]`` float32; ``None`` if there is nothing to draw."""
    rank: Tensor | None = None
    """``[N]`` int32."""
    index: Tensor | None = None
    """``[N]`` int32."""
    spectrum: Tensor | None = None
    """``[min(N, D)]``; only needed where the event is kept."""


@dataclass
class _Record:
    """An event whose outcome is final."""

    event: Event
    save_dir: Path | None


class Gallery:
    """Draws and keeps events on a thread of its own, so that a slow disk delays no peer.

    Args:
        timeout_s: Seconds to wait for a picture.
        notices: Where troubles are told.
    """

    def __init__(self, timeout_s: float, notices: Notices) -> None:
        self._renderer = RenderClient(timeout_s)
        self._notices = notices
        self._scratch: Path | None = None
        self._worker: Worker[Exhibit | _Record] = Worker(
            self._work, self._abandon, retry=lambda item: False, name="gramscope-gallery"
        )

    def warm_up(self) -> None:
        """Start the helper process now, so that the first picture need not wait for it."""
        with suppress(RenderError):  # the first picture will say so
            self._renderer.start()

    def add(self, exhibit: Exhibit) -> None:
        """Queue an event; it loses its picture if too much waits already. Never waits.

        Args:
            exhibit: The event, drawn or not, in the order in which it shall come back.
        """
        if exhibit.gram is not None:
            waiting = [len(g) for g in self._worker.each(_gram) if g is not None]
            size = 4 * (len(exhibit.gram) ** 2 + sum(n * n for n in waiting))
            if len(waiting) >= _MAX_WAITING or (waiting and size > _MAX_WAITING_BYTES):
                exhibit.gram = None
                exhibit.event.skip("backlog")
        self._worker.put(exhibit)

    def record(self, event: Event, save_dir: Path | None) -> None:
        """Account for an event whose outcome is final, and let go of its picture.

        Args:
            event: The event.
            save_dir: Where its line goes; ``None``: nowhere.
        """
        event.png = event.prepared = None
        if save_dir is not None or event.picture is not None:
            self._worker.put(_Record(event, save_dir))

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until everything queued is done.

        Args:
            timeout_s: How long at most.

        Returns:
            Whether it is.
        """
        return self._worker.wait_idle(timeout_s)

    def close(self) -> None:
        """End the thread and the helper; what still waits ends as skipped."""
        self._worker.close()
        self._renderer.close()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _abandon(self, item: Exhibit | _Record) -> None:
        if isinstance(item, _Record):
            self._write_record(item)
        else:
            item.finished.append(self._without_picture(item))

    def _without_picture(self, item: Exhibit) -> Event:
        # A copy: the thread may still be at work on the original.
        event = replace(item.event, png=None, picture=None, prepared=None)
        if item.gram is not None:
            event.skip("shutdown" if self._worker.closed else "monitor_died")
        return event

    def _work(self, item: Exhibit | _Record) -> Callable[[], None] | None:
        if isinstance(item, _Record):
            self._write_record(item)
            return None
        event = item.event
        try:
            if item.gram is not None:
                event = self._draw(item, replace(event))
                if item.prepare is not None:
                    event.prepared = item.prepare(event)
        except Exception as error:
            reason = "render_failed" if isinstance(error, RenderError) else "event_failed"
            self._notices.warn(reason, f"Step {event.step} gives no picture: {error}")
            event.skip(reason)
        return partial(item.finished.append, event)

    def _draw(self, item: Exhibit, event: Event) -> Event:
        assert item.gram is not None and item.rank is not None
        event.png = self._renderer.png(item.gram, _title(event), _boundaries(item.rank))
        event.log()
        if item.save_dir is not None and self._keep(item, event, item.save_dir):
            event.kept = True
            return event
        try:
            if self._scratch is None:
                self._scratch = Path(tempfile.mkdtemp(prefix="gramscope-"))
            path = stem(self._scratch, event.log_key, event.step).with_suffix(".png")
            write_atomically(path, event.png)
            event.picture = path
        except OSError:  # loggers can still take the bytes
            event.picture = None
        return event

    def _keep(self, item: Exhibit, event: Event, save_dir: Path) -> bool:
        assert item.gram is not None and event.png is not None
        path = stem(save_dir, event.log_key, event.step)
        try:
            npz = npz_bytes(item.gram, item.rank, item.index, item.spectrum)
            write_atomically(path.with_suffix(".npz"), npz)
            write_atomically(path.with_suffix(".png"), event.png)
        except OSError as error:
            self._notices.warn("disk", f"Step {event.step} could not be saved: {error}")
            event.remark("not_saved")
            return False
        event.picture = path.with_suffix(".png")
        return True

    def _write_record(self, record: _Record) -> None:
        picture = record.event.picture
        if picture is not None and self._scratch is not None and self._scratch in picture.parents:
            picture.unlink(missing_ok=True)
        if record.save_dir is None:
            return
        try:
            append_line(record.save_dir / "events.jsonl", record.event.as_json())
        except OSError as error:
            self._notices.warn("account", f"events.jsonl could not be written: {error}")


def _gram(item: Exhibit | _Record) -> Tensor | None:
    return item.gram if isinstance(item, Exhibit) else None


def _title(event: Event) -> str:
    return (
        f"{event.feature_key}   step {event.step}   N = {event.n}   world size {event.world_size}"
    )


def _boundaries(rank: Tensor) -> list[int]:
    """Where the rank changes from one row to the next."""
    return [int(i) + 1 for i in (rank[1:] != rank[:-1]).nonzero()[:, 0]]
