"""The connections of a run: lost when a rank fails or is stuck, made anew when all are back."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator

from gramscope.monitor.group import Group, StoppedError
from gramscope.monitor.store import Store

__all__ = ["Link", "MissedEventError", "stay_away"]

_POLL_S = 0.1
_BEHIND_S = 1800.0
"""Seconds for a rank to come to the event at which all are to meet."""


class MissedEventError(Exception):
    """This rank had no part in an event of the others."""


class Link:
    """What the monitor threads of all members meet by, first when they start.

    Each member says that it is ready for the next generation of connections. When all are, rank 0
    names the event at which they meet and who is there. After a loss it goes on alone until then;
    the others wait for its word, which costs training nothing, and pass over the events before.

    Construct it on every rank at the same point; then use it from one thread.

    Args:
        rank: This rank.
        members: The ranks that meet, rank 0 first.
        patience_s: Seconds to wait for a member.
        name: Alike on all ranks, and different from that of every other link.
    """

    def __init__(
        self, rank: int, members: list[int], patience_s: float, name: str | None = None
    ) -> None:
        self._rank, self._all = rank, members
        self._patience_s = patience_s
        self._stop = threading.Event()
        self._generation = 0
        self._is_ready = False
        self._is_connecting = False
        self._store = Store(name)
        self.heals = self._store.heals
        """Whether connections can be made while training runs."""
        self.group: Group | None = None
        """``None`` while there are no connections."""
        self.members: list[int] = []
        """Those that have met, in order."""

    def lose(self) -> None:
        """Hang up; `meet` makes the next connections."""
        group, self.group = self.group, None
        if group is not None:
            group.close()
        self._store.put(self._gone)
        self._next_generation()

    def open(self) -> int | None:
        """Make the first connections, of all members that are there."""
        return self.meet(0, "start") if not self._generation and self.group is None else None

    def meet(self, sequence: int, event: str) -> int | None:
        """Make connections if this is the event to do so at.

        Args:
            sequence: The event's number on this rank.
            event: Its name, alike on all ranks.

        Returns:
            Its number on rank 0, which counts from here on; ``None``: there are no connections.

        Raises:
            RuntimeError: If the other members do not come.
            MissedEventError: If the others meet at an event that this rank has not had.
            StoppedError: If there will be no connections any more.
        """
        if self._is_connecting:  # a thread died at it
            self._store.put(self._gone)
        while self._store.has(self._gone):
            self._next_generation()
        if self._generation and not self.heals:
            return None
        if not self._is_ready:
            self._store.put(self._key("ready", self._rank), str(sequence))
            self._is_ready = True
        start = f"{self._generation}/start"
        if self._rank:
            if not self._told(start):
                return None
        elif members := self._present(sequence):
            self._store.put(start, f"{sequence} {','.join(map(str, members))} {event}")
        else:
            return None
        number, ranks, name = self._store.get(start).split(" ", 2)
        self.members = [int(rank) for rank in ranks.split(",")]
        if self._rank not in self.members:
            return None
        if name != event:
            if sequence >= int(number):  # it will not come any more
                raise MissedEventError(f"this rank had no part in {name}")
            return None
        self._connect()
        return int(number)

    def stop(self) -> None:
        """End all waiting, here and on ranks that wait for this one; from any thread."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._store.put(f"off/{self._rank}")
        self._store.put(self._gone)

    def close(self) -> None:
        """Let go of everything; once the thread that uses it has ended."""
        self.stop()
        self.lose()
        self._store.close()

    @property
    def _gone(self) -> str:
        return f"{self._generation}/gone"

    def _connect(self) -> None:
        """Make connections, once all members are at it."""
        self._is_connecting = True
        self._store.put(self._key("connects", self._rank))
        keys = (self._key("connects", rank) for rank in self.members)
        if not self._told(*keys, patience_s=_BEHIND_S):
            raise ConnectionError("another rank has hung up")
        self.group = Group(
            self._store,
            self._generation,
            self.members.index(self._rank),
            len(self.members),
            self._patience_s,
            self._stop,
        )
        self._is_connecting = False

    def _next_generation(self) -> None:
        self._generation += 1
        self._is_ready = self._is_connecting = False

    def _key(self, word: str, rank: int) -> str:
        return f"{self._generation}/{word}/{rank}"

    def _present(self, sequence: int) -> list[int]:
        """All members that are not off, once they are ready; at the beginning, wait for that."""
        for _ in self._moments():
            there = [rank for rank in self._all if not self._store.has(f"off/{rank}")]
            ready = [self._key("ready", rank) for rank in there]
            if self._store.has(*ready):
                # One that is ahead has let this event pass.
                reached = all(int(self._store.get(key)) <= sequence for key in ready)
                return there if reached and len(there) > 1 else []
            if self._generation or self._store.has(self._gone):
                break
        return []

    def _told(self, *keys: str, patience_s: float = math.inf) -> bool:
        """Wait for these words; False if there will be none of this generation."""
        for _ in self._moments(patience_s):
            if self._store.has(*keys):
                return True
            if self._store.has(self._gone):
                break
            if self._store.has("off/0"):
                raise StoppedError
        return False

    def _moments(self, patience_s: float = math.inf) -> Iterator[None]:
        """When to look again, soon at first."""
        pause, deadline = 0.005, time.monotonic() + patience_s
        while not self._stop.wait(pause):
            if time.monotonic() > deadline:
                raise TimeoutError(f"another rank has not come within {patience_s:g} s")
            yield
            pause = min(1.5 * pause, _POLL_S)
        raise StoppedError


def stay_away(rank: int, name: str) -> None:
    """Tell the other ranks that this one has no link of that name, and will have none."""
    Store(name).put(f"off/{rank}")
