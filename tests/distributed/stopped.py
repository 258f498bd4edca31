"""One rank of a plain loop in which another's process is stopped for a while, as debuggers do."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist

from gramscope.monitor import Monitor

torch.set_num_threads(1)


def stop_for(seconds: float) -> None:
    """Stop this process, and have a child of it let it go on."""
    parent = os.getpid()
    child = os.fork()
    if not child:
        time.sleep(seconds)
        os.kill(parent, signal.SIGCONT)
        os._exit(0)
    os.kill(parent, signal.SIGSTOP)
    os.waitpid(child, 0)


def main() -> None:
    plan_file = Path(sys.argv[1])
    plan = json.loads(plan_file.read_text())
    rank = int(os.environ["RANK"])
    dist.init_process_group("gloo")
    monitor = Monitor("f", max_samples=8, max_pending=100, timeout_s=20.0)
    steps_s = []
    for step in range(1, 41):
        start = time.monotonic()
        if rank == plan["rank"] and step == 5:
            stop_for(plan["seconds"])
        monitor.observe(step=step, features=torch.randn(8, 4))
        monitor.finished()
        time.sleep(0.05)
        steps_s.append(time.monotonic() - start)
    monitor.close()
    report = {"longest_s": max(steps_s), "outcomes": monitor.outcomes}
    (plan_file.parent / f"rank{rank}.json").write_text(json.dumps(report))
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
