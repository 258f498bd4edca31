"""One rank of plain loops in which something is odd on the last rank; a case for each."""

from __future__ import annotations

import atexit
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from gramscope.monitor import Monitor
from gramscope.monitor.worker import Worker

torch.set_num_threads(1)
RANK, WORLD_SIZE = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
IS_LAST = RANK == WORLD_SIZE - 1


def observe(*monitors: Monitor, steps: range, pause_s: float = 0.05, misses: int = 0) -> Any:
    """What the monitors made of these steps, on rank 0."""
    for step in steps:
        for monitor in monitors:
            if step != misses:
                monitor.observe(step=step, features=torch.randn(8, 4))
        dist.barrier()
        time.sleep(pause_s)
    return [[(e.step, e.n, e.outcome) for e in monitor.close()] for monitor in monitors]


def misses_an_event() -> Any:
    """It observes one step less, while the first rank is behind."""
    if not RANK:
        slow = Monitor._due_step
        Monitor._due_step = lambda *a: _slowed(slow(*a))  # type: ignore[method-assign]
    return observe(
        Monitor(max_samples=8), steps=range(1, 41), pause_s=0.1, misses=6 if IS_LAST else 0
    )


def _slowed(due: Any) -> Any:
    if due.step < 12:
        due.ready = lambda: time.sleep(0.25)
    return due


def two_monitors() -> Any:
    """Two monitors in one loop have an engine each."""
    return observe(Monitor("a", 8, log_key="a"), Monitor("b", 8, log_key="b"), steps=range(1, 6))


def no_threads() -> Any:
    """The system gives it no thread."""
    if IS_LAST:
        Worker._starts_left = property(lambda self: 0, lambda self, value: None)  # type: ignore[assignment]
    return observe(Monitor(max_samples=8), steps=range(1, 13), pause_s=0.1)


def fork_that_exits() -> Any:
    """A child of it runs what is to be run at the end of a program."""
    atexit._clear()
    monitor = Monitor(max_samples=8)
    if IS_LAST and not (child := os.fork()):
        atexit._run_exitfuncs()
        os._exit(0)
    elif IS_LAST:
        os.waitpid(child, 0)
    return observe(monitor, steps=range(1, 6))


def older_torch() -> Any:
    """As before 2.8: training's store cannot be copied, nor a group's timeout be set."""
    for gloo in (dist.ProcessGroupGloo, *dist.ProcessGroupGloo.__mro__):
        for name in ("set_timeout", "_set_default_timeout"):
            if name in vars(gloo):
                delattr(gloo, name)
    for store in (dist.Store, *_below(dist.Store)):
        if "clone" in vars(store):
            delattr(store, "clone")
    return observe(Monitor(max_samples=8), steps=range(1, 6))


def _below(base: type) -> Iterator[type]:
    for child in base.__subclasses__():
        yield child
        yield from _below(child)


def main() -> None:
    plan_file = Path(sys.argv[1])
    dist.init_process_group("gloo")
    seen = globals()[json.loads(plan_file.read_text())["case"]]()
    (plan_file.parent / f"rank{RANK}.json").write_text(json.dumps(seen))
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
