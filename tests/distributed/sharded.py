"""One rank of a plain PyTorch loop over a model whose weights are sharded (FSDP2)."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from gramscope.monitor import Monitor
from gramscope.monitor.hook import ForwardHook

torch.set_num_threads(1)


def main() -> None:
    plan_file = Path(sys.argv[1])
    rank, world_size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group("gloo")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 4))
    fully_shard(model, mesh=init_device_mesh("cpu", (world_size,)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    monitor = Monitor("embedding", max_samples=8, save_dir=plan_file.parent / "gram")
    seen = []
    for step in range(1, 5):
        capture = monitor.capture(bare_tensor=True)
        hook = ForwardHook(model, capture.offer)
        hook.arm()
        features = model(torch.randn(5, 6))
        hook.disarm()
        features.square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        monitor.submit(step, capture)
        seen += [event.status for event in monitor.finished()]
    seen += [event.status for event in monitor.close()]
    (plan_file.parent / f"rank{rank}.json").write_text(json.dumps(seen))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
