"""The connections of a run: lost when a rank fails or is stuck, made anew when all are back."""

from __future__ import annotations

import threading
from contextlib import suppress

from gramscope.monitor.group import Group, StoppedError, Store

__all__ = ["Link"]

_POLL_S = 0.1


class Link:
    """What the monitor threads of all members meet by.

    After a loss, each member says that it is ready for the next generation of connections. Rank 0
    goes on alone until all are, and then names the event at which they meet again; the others
    wait for that, which costs training nothing, and pass over the events before it.

    Construct it on every rank at the same point; then use it from one thread.
    """

    def __init__(self, rank: int, members: list[int], patience_s: float) -> None:
        self._place, self._size = members.index(rank), len(members)
        self._patience_s = patience_s
        self._stop = threading.Event()
        self._generation = 0
        self._store = Store()
        self.group: Group | None = None
        """``None`` while there are no connections."""

    def connect(self) -> None:
        """Meet the other members; waits for them.

        Raises:
            RuntimeError: If they do not come.
        """
        self.group = Group(
            *(self._store, self._generation, self._place, self._size),
            *(self._patience_s, self._stop),
        )

    def lose(self) -> None:
        """Hang up, and be ready to meet again."""
        group, self.group = self.group, None
        if group is not None:
            group.close()
        if self._store.heals and not self._stop.is_set():
            self._store.put(f"{self._generation}/gone")
            self._next_generation()

    def meet_again(self, sequence: int, event: str) -> int:
        """Make new connections if this is the event to do so at.

        Args:
            sequence: The event's number on this rank.
            event: Its name, alike on all ranks.

        Returns:
            Its number on rank 0, which counts from here on; 0 while there are no connections.

        Raises:
            RuntimeError: If the other members do not come.
        """
        start = f"{self._generation}/start"
        if self._place == 0 and self._all_ready():
            self._store.put(start, f"{sequence} {event}")
        elif self._place == 0 or not self._told(start):
            return 0
        number, _, name = self._store.get(start).partition(" ")
        if name != event:
            return 0
        self.connect()
        return int(number)

    def stop(self) -> None:
        """End all waiting, here and on ranks that wait for this one; from any thread."""
        self._stop.set()
        with suppress(Exception):  # the store ends with rank 0
            self._store.put("stopped")

    def _next_generation(self) -> None:
        self._generation += 1
        self._store.put(f"{self._generation}/ready/{self._place}")

    def _all_ready(self) -> bool:
        ready = [f"{self._generation}/ready/{place}" for place in range(self._size)]
        return self._store.heals and self._store.has(*ready)

    def _told(self, start: str) -> bool:
        """Wait for rank 0's word; False if there will be none of this generation."""
        while not self._store.has(f"{self._generation}/gone"):
            if self._store.has(start):
                return True
            if self._stop.wait(_POLL_S) or self._store.has("stopped"):
                raise StoppedError
        self._next_generation()
        return False
