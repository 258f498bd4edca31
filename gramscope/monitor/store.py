"""What ranks tell each other beside training, over copies of training's own store."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore

__all__ = ["Store"]

_stores = itertools.count()

_clients: WeakKeyDictionary[Any, dict[str, Any]] = WeakKeyDictionary()
"""Copies of training's store by what they are for: an operation of a client waits for those before
it. Kept, because for each new one the store's server asks who that is, of DNS, and waits."""


class Store:
    """Words that ranks tell each other without meeting.

    Construct it on every rank at the same point, with the same name if it has one.
    """

    def __init__(self, name: str | None = None) -> None:
        self._prefix = f"gramscope/{name or next(_stores)}"
        self._default: Any = dist.distributed_c10d._get_default_store()
        self.heals = hasattr(self._default, "clone")
        """Whether connections can be made over it while training uses its own."""

    def put(self, key: str, value: str = "") -> None:
        """Tell all ranks, where training's store is still there; it ends with rank 0."""
        with suppress(Exception):
            self._client("say").set(key, value)

    def has(self, *keys: str) -> bool:
        """Whether all of these were told."""
        return bool(self._ask(lambda store: store.check(list(keys))))

    def get(self, key: str) -> str:
        """What was told; only of a key that is there."""
        return str(self._ask(lambda store: store.get(key)).decode())

    def connecting(self, generation: int, patience: timedelta) -> PrefixStore:
        """What a generation of connections is made over; see `give_up_connecting`."""
        store = self._client("connect", f"/{generation}")
        if self.heals:
            store.set_timeout(patience)
        return store

    def give_up_connecting(self) -> None:
        """Have the next connections be made over another client; this one waits yet."""
        self._forget("connect")

    def _client(self, purpose: str, prefix: str = "") -> PrefixStore:
        own = self._default
        if self.heals:
            copies = _clients.setdefault(self._default, {})
            if purpose not in copies:
                copies[purpose] = self._default.clone()
            own = copies[purpose]
        return PrefixStore(f"{self._prefix}{prefix}", own)

    def _ask(self, question: Callable[[PrefixStore], Any]) -> Any:
        try:
            return question(self._client("ask"))
        except Exception:
            self._forget("ask")  # the answer may come yet, and be taken for the next one's
            raise

    def _forget(self, purpose: str) -> None:
        _clients.get(self._default, {}).pop(purpose, None)
