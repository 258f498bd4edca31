"""A thread that works through items in order."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Generic, TypeVar

__all__ = ["Worker"]

log = logging.getLogger(__name__)

_START_S = 10.0
_EXIT_S = 120.0

_stuck: list[threading.Thread] = []
"""Threads that were at work when they were to end."""

Item = TypeVar("Item")


class Worker(Generic[Item]):
    """Works through items in order, on one daemon thread.

    An exception costs the item. A thread that dies is replaced when the next item arrives or
    somebody waits. If that one dies with its first item too, and after `close`, items are
    abandoned instead.

    Args:
        work: Called with each item on the thread. What it returns, if anything, delivers the
            result; that is called only if the item was not abandoned meanwhile.
        abandon: Called with each item that will not be delivered, and with what was raised;
            ``None``: the thread has died, or is to end, and the call is on another.
        retry: Whether the item on which a thread died may be worked on again.
        name: Of the thread.
        last: Called on the thread when it ends after `close`.
    """

    def __init__(
        self,
        work: Callable[[Item], Callable[[], None] | None],
        abandon: Callable[[Item, Exception | None], None],
        retry: Callable[[Item], bool],
        name: str,
        last: Callable[[], None] = lambda: None,
    ) -> None:
        self._work = work
        self._abandon = abandon
        self._retry = retry
        self._name = name
        self._last = last
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._starts_left = 2
        self._begun = False  # whether the thread is at work on the first item
        self._first: tuple[Callable[[], None], ...] = ()
        self._ready = threading.Event()
        self.closed = False
        """Whether `close` was called."""

    def start(self, first: Callable[[], None], *then: Callable[[], None]) -> None:
        """Start the thread before there is an item, and wait until it is ready.

        Args:
            first: Called at the start of the thread, and of the one that replaces it. What it
                raises is ignored, because the items that need it will say so.
            *then: Alike, but not waited for.
        """
        self._first = (first, *then)
        with self._changed:
            self._revive()
        deadline = time.monotonic() + _START_S
        while self._lives() and time.monotonic() < deadline and not self._ready.wait(0.1):
            pass

    def put(self, item: Item) -> None:
        """Queue one item; never waits."""
        with self._changed:
            if self.closed or not self._revive():
                self._abandon(item, None)
                return
            self._items.append(item)  # for the thread to find: waking it would cost 50 µs

    def waiting(self, size: Callable[[Item], int]) -> int:
        """The added-up ``size`` of everything that is queued or being worked on."""
        with self._changed:
            return sum(map(size, self._items))

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until no item is left; whether none is."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._changed.notify_all()
            while self._items and (left := deadline - time.monotonic()) > 0:
                self._revive()
                self._changed.wait(min(left, 0.2))
            return not self._items

    def close(self) -> bool:
        """Abandon what is left and end the thread.

        Returns:
            Whether the thread has ended; one that is stuck in `work` ends when it comes out,
            for which the end of the program waits.
        """
        with self._changed:
            self.closed = True
            self._changed.notify_all()
            self._abandon_all()
        if self._thread is not None:
            self._thread.join(1.0)
            if self._lives():
                _stuck.append(self._thread)
        return not self._lives()

    def _lives(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _revive(self) -> bool:
        """Replace a thread that has died; whether there is one."""
        if self._lives():
            return True
        if self._begun and self._items and not self._retry(self._items[0]):
            self._abandon(self._items.popleft(), None)
        self._begun = False
        if self._starts_left:
            self._starts_left -= 1
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            with suppress(RuntimeError):  # the system gives no more threads
                self._thread.start()
                return True
        self._abandon_all()
        return False

    def _abandon_all(self) -> None:
        while self._items:
            self._abandon(self._items.popleft(), None)

    def _run(self) -> None:
        for first in self._first:
            with suppress(Exception):
                first()
            self._ready.set()
        while (item := self._next()) is not None:
            try:
                self._done(item, self._work(item))
            except Exception as error:
                self._done(item, partial(self._abandon, item, error))
        with suppress(Exception):
            self._last()

    def _next(self) -> Item | None:
        since = time.monotonic()
        with self._changed:
            while not self._items and not self.closed:
                # Seldom where items are rare, and never so late that it would matter.
                self._changed.wait(min(max(0.005, (time.monotonic() - since) / 5), 0.25))
            if self.closed:
                return None
            self._begun = True
            return self._items[0]  # stays in line until done, so that it counts as waiting

    def _done(self, item: Item, deliver: Callable[[], None] | None) -> None:
        with self._changed:
            if self._items and self._items[0] is item:
                if deliver is not None:
                    deliver()
                self._items.popleft()
            self._begun = False
            self._starts_left = 1
            self._changed.notify_all()


@atexit.register  # before anybody's who closes, so that it is called after them
def _await_stuck() -> None:
    """Wait for threads that are still at work.

    One that comes back from torch's C++ code into an interpreter that has ended aborts the
    process, and a run that went well would be called failed.
    """
    deadline = time.monotonic() + _EXIT_S
    for thread in _stuck:
        if thread.is_alive():
            log.info("Waiting for %s to come to an end.", thread.name)
            thread.join(max(0.0, deadline - time.monotonic()))
