"""A thread that works through items in order."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

__all__ = ["Worker"]

_START_S = 10.0

Item = TypeVar("Item")


class Worker(Generic[Item]):
    """Works through items in order, on one daemon thread.

    A thread that dies (not an exception of `work`, which is for `work` to handle, but the
    thread itself) is replaced once, when the next item arrives or somebody waits. After that, and
    after `close`, items are abandoned instead.

    Args:
        work: Called with each item on the thread. What it returns, if anything, delivers the
            result; that is called only if the item was not abandoned meanwhile.
        abandon: Called, on the caller's thread, with each item that will not be delivered.
        retry: Whether the item on which a thread died may be worked on again.
        name: Of the thread.
    """

    def __init__(
        self,
        work: Callable[[Item], Callable[[], None] | None],
        abandon: Callable[[Item], None],
        retry: Callable[[Item], bool],
        name: str,
    ) -> None:
        self._work = work
        self._abandon = abandon
        self._retry = retry
        self._name = name
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._starts_left = 2
        self._begun = False  # whether the thread is at work on the first item
        self._first: Callable[[], None] | None = None
        self._ready = threading.Event()
        self.closed = False
        """Whether `close` was called."""

    def start(self, first: Callable[[], None]) -> None:
        """Start the thread before there is an item, and wait until it is ready.

        Args:
            first: Called at the start of the thread, and of the one that replaces it. What it
                raises is ignored, because the items that need it will say so.
        """
        self._first = first
        with self._changed:
            self._revive()
        self._ready.wait(_START_S)

    def put(self, item: Item) -> None:
        """Queue one item; never waits."""
        with self._changed:
            if self.closed:
                self._abandon(item)
                return
            self._items.append(item)
            self._revive()
            self._changed.notify_all()

    def waiting(self, size: Callable[[Item], int]) -> int:
        """The added-up ``size`` of everything that is queued or being worked on."""
        with self._changed:
            return sum(map(size, self._items))

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until no item is left; whether none is."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while self._items and (left := deadline - time.monotonic()) > 0:
                self._revive()
                self._changed.wait(min(left, 0.2))
            return not self._items

    def close(self) -> bool:
        """Abandon what is left and end the thread.

        Returns:
            Whether the thread has ended; one that is stuck in `work` ends when it comes out.
        """
        with self._changed:
            self.closed = True
            self._changed.notify_all()
            self._abandon_all()
        if self._thread is not None:
            self._thread.join(1.0)
        return self._thread is None or not self._thread.is_alive()

    def _revive(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        if self._begun and self._items and not self._retry(self._items[0]):
            self._abandon(self._items.popleft())
        self._begun = False
        if not self._starts_left:
            self._abandon_all()
            return
        self._starts_left -= 1
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the system gives no more threads
            self._abandon_all()

    def _abandon_all(self) -> None:
        while self._items:
            self._abandon(self._items.popleft())

    def _run(self) -> None:
        if self._first is not None:
            with suppress(Exception):
                self._first()
        self._ready.set()
        while (item := self._next()) is not None:
            self._done(item, self._work(item))

    def _next(self) -> Item | None:
        with self._changed:
            while not self._items and not self.closed:
                self._changed.wait()
            if self.closed:
                return None
            self._begun = True
            return self._items[0]  # stays in line until done, so that it counts as waiting

    def _done(self, item: Item, deliver: Callable[[], None] | None) -> None:
        with self._changed:
            self._begun = False
            if self._items and self._items[0] is item:
                self._items.popleft()
                if deliver is not None:
                    deliver()
            self._changed.notify_all()
