"""One rank whose rows have views, ids and labels; started by `launch`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from gramscope.monitor import Monitor

FEATURES = {"teacher": "t", "student": "s"}
COUNT = 3
"""Views of a sample, of which the last is of another crop type."""


def batch(rank: int, plan: dict[str, Any]) -> dict[str, Any]:
    """What a rank has: ``[n * 3, D]``, each sample's views side by side, and who they are."""
    ids = plan["ids"][rank]
    rows = {}
    for key in FEATURES.values():
        of_samples = []
        for sample in ids:
            generator = torch.Generator().manual_seed(int(sample) + 1000 * ord(key))
            spread = torch.tensor([0.3, 0.3, *[3.0] * (COUNT - 2)])[:, None]
            of_samples.append(torch.randn(COUNT, 8, generator=generator) * spread + int(sample) % 3)
        if ids:  # else a model that has none of its features
            rows[key] = torch.cat(of_samples)
    labels = plan["labels"][rank]
    return {"features": rows, "sample_id": [f"scan {i}" for i in ids], "label": labels}


def whole(plan: dict[str, Any]) -> dict[str, Any]:
    """The same of all ranks in one batch."""
    parts = [batch(rank, plan) for rank in range(len(plan["ids"]))]
    features: dict[str, Tensor] = {
        key: torch.cat([part["features"][key] for part in parts if part["features"]])
        for key in FEATURES.values()
    }
    marks = {k: [m for part in parts for m in part[k]] for k in ("sample_id", "label")}
    return {"features": features, **marks}


def observe(given: dict[str, Any], directory: Path) -> None:
    """One event of one batch."""
    views = {"count": COUNT, "layout": "interleaved", "alike": 2}
    monitor = Monitor(FEATURES, 64, views=views, save_dir=directory, timeout_s=30)
    marks = {k: v for k, v in given.items() if v and k != "features"}
    monitor.observe(step=1, features=given["features"], **marks)
    monitor.close()


def main() -> None:
    plan_file = Path(sys.argv[1])
    plan = json.loads(plan_file.read_text())
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    observe(batch(int(os.environ["RANK"]), plan), plan_file.parent / "together")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
