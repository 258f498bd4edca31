"""The first of two ranks, whose peer is gone once it has told how it can be reached."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import torch.distributed as dist

from gramscope.monitor.group import Group
from gramscope.monitor.store import Store


class EndsSlowly:
    """Has the interpreter's own end take a while, as the store's server does that waits for DNS."""

    def __del__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        sleep(2.0)


def meet(attempt: int, place: int, patience_s: float) -> None:
    Group(Store(f"attempt {attempt}"), 0, place, 2, patience_s, threading.Event())


def main(port: int) -> None:
    store = dist.TCPStore("127.0.0.1", port, is_master=not port, wait_for_workers=False)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    if port:
        for attempt in range(16):
            with suppress(Exception):
                meet(attempt, 1, 0.05)
        os._exit(0)
    subprocess.run([sys.executable, __file__, str(store.port)], check=True)
    global end
    end = EndsSlowly()
    for attempt in range(16):
        # Chance says who calls whom; one that calls is refused at once.
        with suppress(RuntimeError):
            meet(attempt, 0, 0.3)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
