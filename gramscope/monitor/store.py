"""What ranks tell each other beside training, over copies of training's own store."""

from __future__ import annotations

import itertools
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore

__all__ = ["Store"]

_stores = itertools.count()

SERVER = timedelta(seconds=20)
"""How long to wait for the store's server. Training's own copies wait half an hour, and a program
would not end before a thread that makes one of a server that has just died."""

_idle: WeakKeyDictionary[Any, dict[str, deque[Any]]] = WeakKeyDictionary()
"""Copies of training's store that nobody uses, by what they are for. Kept, because for each new one
the store's server asks who that is, of DNS, and waits."""


class Store:
    """Words that ranks tell each other without meeting.

    An operation of a client waits for those before it, so there is one for each purpose. One that
    fails is not made anew while this store is used: that would wait, for minutes, for a server that
    may have ended.
    Construct it on every rank at the same point, with the same name if it has one.
    """

    def __init__(self, name: str | None = None) -> None:
        self._prefix = f"gramscope/{name or next(_stores)}"
        self._default: Any = dist.distributed_c10d._get_default_store()
        self.heals = hasattr(self._default, "clone")
        """Whether connections can be made over it while training uses its own."""
        self._source: Any = self._default
        self._clients = {purpose: self._take(purpose) for purpose in ("say", "ask")}
        if self.heals:
            self._source = self._clients["say"]  # of which nothing is asked that waits
            self._source.set_timeout(SERVER)

    def close(self) -> None:
        """Leave the clients to others."""
        for purpose in ("say", "ask"):
            self._put_back(purpose)

    def put(self, key: str, value: str = "") -> None:
        """Tell all ranks, if the store is still there; never waits."""
        client = self._clients.get("say")
        if client is not None:
            try:
                self._prefixed(client).set(key, value)
            except Exception:
                self._clients.pop("say", None)

    def has(self, *keys: str) -> bool:
        """Whether all of these were told."""
        return bool(self._ask(lambda store: store.check(list(keys))))

    def get(self, key: str) -> str:
        """What was told; only of a key that is there."""
        return str(self._ask(lambda store: store.get(key)).decode())

    def connecting(self, generation: int, patience: timedelta) -> PrefixStore:
        """What a generation of connections is made over; after success say so by `connected`."""
        client = self._clients["connect"] = self._take("connect")
        if self.heals:
            client.set_timeout(patience)
        return self._prefixed(client, f"/{generation}")

    def connected(self) -> None:
        """Leave what connections were made over to the next ones."""
        self._put_back("connect")

    def _ask(self, question: Callable[[PrefixStore], Any]) -> Any:
        client = self._clients.get("ask")
        if client is None:
            raise ConnectionError("training's store does not answer")
        try:
            return question(self._prefixed(client))
        except Exception:
            # The answer may come yet, and be taken for the next one's.
            self._clients.pop("ask", None)
            raise

    def _prefixed(self, client: Any, prefix: str = "") -> PrefixStore:
        return PrefixStore(f"{self._prefix}{prefix}", client)

    def _take(self, purpose: str) -> Any:
        if not self.heals:
            return self._default
        with suppress(IndexError):
            return self._of(purpose).popleft()
        return self._source.clone()  # with its patience

    def _put_back(self, purpose: str) -> None:
        client = self._clients.pop(purpose, None)
        if client is not None and self.heals:
            self._of(purpose).append(client)

    def _of(self, purpose: str) -> deque[Any]:
        return _idle.setdefault(self._default, defaultdict(deque))[purpose]
