"""Connections between the ranks' monitor threads, which training's own know nothing of."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from gramscope.monitor.store import Store
from gramscope.monitor.threads import outlast

__all__ = ["Group", "StoppedError"]

_SLICE = timedelta(seconds=0.5)
_POLL_S = 0.1


class StoppedError(Exception):
    """Nobody waits for peers any more."""


class Group:
    """One generation of connections between all members.

    Construct it on all of them at about the same time; it waits for them. A call that fails
    leaves it useless: `close` it, and the other members' calls fail too.

    Args:
        store: See `Store`.
        generation: Tells it from those before it.
        place: This rank's position among the members.
        size: How many members there are.
        patience_s: Seconds to wait for a member.
        stop: Ends all waiting.
    """

    def __init__(
        self,
        store: Store,
        generation: int,
        place: int,
        size: int,
        patience_s: float,
        stop: threading.Event,
    ) -> None:
        self._store = store
        self._gone = f"{generation}/gone"
        self._patience_s = patience_s
        self._longest = timedelta(seconds=patience_s + 60.0)
        self._stop = stop
        self._calling = False
        self._work: Any = None
        self._group = self._connect(store, generation, place, size)
        # Of the calls; patience is ours to lose, in `_look_up`.
        if (set_timeout := _timeout_setter(self._group)) is not None:
            set_timeout(self._longest)
        self._is_root, self._size = place == 0, size

    def all_gather(self, tensor: Tensor) -> list[Tensor]:
        """The tensors of all members, which are alike in shape."""
        tensors = [torch.empty_like(tensor) for _ in range(self._size)]
        self._wait(lambda: self._group.allgather([tensors], [tensor]))
        return tensors

    def gather(self, tensor: Tensor) -> list[Tensor] | None:
        """The same at the first member, ``None`` at the others."""
        options = dist.distributed_c10d.GatherOptions()
        options.rootRank = 0
        tensors = [torch.empty_like(tensor) for _ in range(self._size)] if self._is_root else []
        outputs = [tensors] if self._is_root else []
        self._wait(lambda: self._group.gather(outputs, [tensor], options))
        return tensors if self._is_root else None

    def close(self) -> None:
        """Hang up; members that wait for this one learn of it at once."""
        self._store.put(self._gone)
        group, work, self._group, self._work = self._group, self._work, None, None
        if self._calling and (work is None or not work.is_completed()):
            # Both would wait for the call to end, at the end of the program too. No work: the
            # thread died when it had made the call.
            for kept in (group, work):
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))

    def _connect(self, store: Store, generation: int, place: int, size: int) -> Any:
        """On another thread, because nothing breaks it off where a member stays away."""
        patience = timedelta(seconds=min(5 + size / 20, self._patience_s))  # all are at it
        if _timeout_setter(dist.ProcessGroupGloo) is None:
            patience = self._longest
        made: Future[Any] = Future()
        arguments = (made, store.connecting(generation, patience), place, size, patience)
        thread = threading.Thread(target=_make, args=arguments, daemon=True)
        thread.name = "gramscope-connect"
        thread.start()
        # Gloo waits for a peer's address once, and five times as long for the peer itself.
        outlast(thread, 6 * patience.total_seconds() + 5)
        deadline = time.monotonic() + self._patience_s
        while thread.is_alive():
            thread.join(_POLL_S)
            self._look_up(deadline)
        group = made.result(0.0)
        store.connected()
        return group

    def _wait(self, call: Callable[[], Any]) -> None:
        deadline = time.monotonic() + self._patience_s
        self._calling = True
        self._work = call()
        while True:
            try:
                self._work.wait(_SLICE)
                break
            except RuntimeError:
                if self._work.is_completed():  # with an error, or since the time was up
                    self._work.wait()
                    break
            self._look_up(deadline)
        self._calling, self._work = False, None

    def _look_up(self, deadline: float) -> None:
        """Whether it makes sense to wait on."""
        if self._stop.is_set():
            raise StoppedError
        # Not by the connections alone: a data loader worker may hold copies of them open.
        if self._store.has(self._gone):
            raise ConnectionError("another rank has hung up")
        if time.monotonic() > deadline:
            raise TimeoutError(f"another rank has not come within {self._patience_s:g} s")


def _timeout_setter(gloo: Any) -> Any:
    """As it is called in this release of torch; ``None`` where there is none."""
    return getattr(gloo, "set_timeout", None) or getattr(gloo, "_set_default_timeout", None)


def _make(made: Future[Any], *arguments: Any) -> None:
    try:
        made.set_result(dist.ProcessGroupGloo(*arguments))
    except Exception as error:
        made.set_exception(error)
