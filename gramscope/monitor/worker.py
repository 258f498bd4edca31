"""A thread that works through items in order."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

from gramscope.monitor.threads import outlast

__all__ = ["Worker"]

_START_S = 10.0

Item = TypeVar("Item")


class _Place(Generic[Item]):
    """An item's place in the line."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.done = False
        self._fate = [item]

    def claim(self) -> bool:
        """Whether its fate is the caller's to decide; of all callers only the first's."""
        try:
            self._fate.pop()
        except IndexError:
            return False
        return True


class Worker(Generic[Item]):
    """Works through items in order, on one daemon thread.

    Who puts in items waits for no lock: one that is held by a thread which has no core, or which
    died with it, would stop training.

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
        self._line: deque[_Place[Item]] = deque()
        self._begun: _Place[Item] | None = None  # what the thread is at work on
        self._bell = threading.Lock()  # released to wake the thread
        self._bell.acquire()
        self._thread: threading.Thread | None = None
        self._replacing = threading.Lock()
        self._starts_left = 2
        self._first: tuple[Callable[[], None], ...] = ()
        self._ready = threading.Event()
        self.closed = False
        """Whether `close` was called."""
        self.given_up = False
        """Whether threads died, or could not be had, again and again."""

    def start(self, first: Callable[[], None], *then: Callable[[], None]) -> None:
        """Start the thread before there is an item, and wait until it is ready.

        Args:
            first: Called at the start of the thread, and of the one that replaces it. What it
                raises is ignored, because the items that need it will say so.
            *then: Alike, but not waited for.
        """
        self._first = (first, *then)
        self._revive()
        deadline = time.monotonic() + _START_S
        while self._lives() and time.monotonic() < deadline and not self._ready.wait(0.1):
            pass

    def put(self, item: Item) -> None:
        """Queue one item; waits for nothing but the start of a thread where one has died."""
        if not self._revive():
            self._abandon(item, None)
            return
        self._line.append(_Place(item))  # for the thread to find: waking it would cost 50 µs
        if self.closed:  # meanwhile, by another thread
            self._abandon_all()

    def waiting(self, size: Callable[[Item], int]) -> int:
        """The added-up ``size`` of everything that is queued or being worked on."""
        return sum(size(place.item) for place in self._line.copy())

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until no item is left; whether none is."""
        deadline = time.monotonic() + timeout_s
        while self._line and time.monotonic() < deadline:
            self._revive()
            self._ring()
            time.sleep(0.005)
        return not self._line

    def close(self) -> bool:
        """Abandon what is left and end the thread.

        Returns:
            Whether the thread has ended; one that is stuck in `work` ends when it comes out,
            for which the end of the program waits.
        """
        self.closed = True
        self._ring()
        if not self._lives():
            self._bury()
        self._abandon_all()
        if self._thread is not None and self._lives():
            self._thread.join(1.0)
            if self._lives():
                outlast(self._thread)
        return not self._lives()

    def _ring(self) -> None:
        with suppress(RuntimeError):  # it has rung, and was not heard yet
            self._bell.release()

    def _lives(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _revive(self) -> bool:
        """Replace a thread that has died; whether items will be worked on."""
        if self.closed:
            return False
        if self._lives() or not self._replacing.acquire(blocking=False):  # somebody else does
            return True
        try:
            return self._lives() or self._replace()
        finally:
            self._replacing.release()

    def _replace(self) -> bool:
        self._bury()
        if self._starts_left:
            self._starts_left -= 1
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            with suppress(RuntimeError):  # the system gives no more threads
                thread.start()
                self._thread = thread
                return True
        self.given_up = True
        self._abandon_all()
        return False

    def _bury(self) -> None:
        """Abandon what a dead thread was at, unless another may try again."""
        begun, self._begun = self._begun, None
        if begun is not None and (begun.done or not self._retry(begun.item)):
            self._give_up(begun, None)

    def _abandon_all(self) -> None:
        while self._line:
            with suppress(IndexError):
                place = self._line.popleft()
                if place.claim():
                    self._abandon(place.item, None)

    def _let_go(self, place: _Place[Item]) -> None:
        with suppress(ValueError):  # it was abandoned
            self._line.remove(place)

    def _run(self) -> None:
        for first in self._first:
            with suppress(Exception):
                first()
            self._ready.set()
        while (place := self._next()) is not None:
            self._begun = place
            try:
                self._process(place)
            except Exception as error:
                self._give_up(place, error)
            self._begun = None
            self._starts_left = 1
        with suppress(Exception):
            self._last()

    def _process(self, place: _Place[Item]) -> None:
        deliver = self._work(place.item)
        if place.claim() and deliver is not None:
            deliver()
        place.done = True
        self._let_go(place)

    def _give_up(self, place: _Place[Item], error: Exception | None) -> None:
        """Abandon an item that was neither delivered nor abandoned by another thread."""
        if not place.done and (place.claim() or place in self._line):
            self._abandon(place.item, error)
        self._let_go(place)

    def _next(self) -> _Place[Item] | None:
        since = time.monotonic()
        while not self.closed:
            with suppress(IndexError):
                return self._line[0]  # stays there until done, so that it counts as waiting
            # Seldom where items are rare, and never so late that it would matter.
            self._bell.acquire(timeout=min(max(0.005, (time.monotonic() - since) / 5), 0.25))
        return None
