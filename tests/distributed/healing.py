"""One rank of a plain loop in which the last rank is away for a while, or leaves for good."""

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
    plan = json.loads(plan_file.read_text())
    rank, world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group("gloo")
    last = rank == world_size - 1
    worker = 0
    engine = Engine(8, timeout_s=10.0, patience_s=plan["patience_s"])
    monitor = Monitor("f", max_samples=8, max_pending=100, timeout_s=10.0, engine=engine)
    seen = []
    for step in range(1, plan["steps"] + 1):
        if last and step == 3:
            time.sleep(plan["away_s"])
            if plan["leaves"]:
                # As a data loader's worker would, it holds copies of all connections.
                worker = os.fork()
                if not worker:
                    time.sleep(60)
                    os._exit(0)
                monitor.close(0.0)
                break
        monitor.observe(step=step, features=torch.randn(8, 4))
        time.sleep(plan["pause_s"])
        seen += monitor.finished()
    start = time.monotonic()
    seen += monitor.close()
    report = {
        "events": [(e.step, e.n, e.reason) for e in seen],
        "close_s": time.monotonic() - start,
    }
    (plan_file.parent / f"rank{rank}.json").write_text(json.dumps(report))
    dist.barrier()
    if worker:
        os.kill(worker, 9)
        os.waitpid(worker, 0)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
