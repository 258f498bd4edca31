"""What threads beside training need: one core, and a program that does not end before them."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from weakref import WeakKeyDictionary

import torch

__all__ = ["outlast", "use_one_core"]

log = logging.getLogger(__name__)

_LONGEST_S = 120.0

_awaited: WeakKeyDictionary[threading.Thread, float] = WeakKeyDictionary()


def outlast(thread: threading.Thread, seconds: float = _LONGEST_S) -> None:
    """Have the program end after a thread, if that takes no longer than this, or two minutes.

    One that comes back from torch's C++ code into an interpreter that has ended aborts the
    process, and a run that went well would be called failed.
    """
    _awaited[thread] = min(seconds, _LONGEST_S)


@atexit.register  # before anybody's who ends threads, so that it is called after them
def _await_all() -> None:
    start = time.monotonic()
    for thread, seconds in list(_awaited.items()):
        if thread.is_alive():
            log.info("Waiting up to %g s for %s to come to an end.", seconds, thread.name)
            thread.join(max(0.0, start + seconds - time.monotonic()))


def use_one_core() -> None:
    """Have torch use one thread for the operations of the calling thread, and of no other.

    A matrix product of the monitor's would otherwise claim every core, wait for cores that
    training holds, and make training wait in turn: on two busy cores a product of 16 x 32 took
    22 ms instead of 2 µs.

    `torch.set_num_threads` sets the OpenMP and MKL threads of the calling thread (MKL's since
    torch 1.10) and, besides, the number with which threads begin that do not exist yet. The
    latter is put back, from a thread that ends at once.
    """
    torch.ones(1).exp()  # a thread takes over the common number with its first operation
    common = torch.get_num_threads()
    torch.set_num_threads(1)
    restorer = threading.Thread(target=torch.set_num_threads, args=(common,))
    restorer.start()
    restorer.join()
