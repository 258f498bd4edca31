"""One rank of a plain loop in which the last rank stops coming to the meeting point."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist

from gramscope.monitor import Engine, Monitor

torch.set_num_threads(1)


def main() -> None:
    plan_file = Path(sys.argv[1])
    rank, world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group("gloo")
    engine = Engine(8, timeout_s=2.0, patience_s=2.0)
    monitor = Monitor("f", max_samples=8, timeout_s=6.0, engine=engine)
    longest = 0.0
    for step in range(1, 7):
        if rank == world_size - 1 and step == 3:
            time.sleep(5)  # with its connections open: nobody can know better than to wait
            break
        start = time.perf_counter()
        monitor.observe(step=step, features=torch.randn(8, 4))
        longest = max(longest, time.perf_counter() - start)
    start = time.perf_counter()
    seen = [(e.step, e.status, e.reason) for e in monitor.close()]
    seconds = time.perf_counter() - start
    report = {"events": seen, "longest": longest, "close": seconds}
    (plan_file.parent / f"rank{rank}.json").write_text(json.dumps(report))
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
