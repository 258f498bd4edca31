"""One rank of `overhead`'s runs of two processes: what they need of CPU and memory.

Started by `_ranks.launch`.
"""

from __future__ import annotations

import dataclasses
import os
import resource
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytorch_lightning as pl
import torch
from _fit import fit, seeded
from _machine import descendants, memory
from _models import VolumeViT, Watched
from _ranks import Rank
from pytorch_lightning.strategies import DDPStrategy


def main() -> None:
    """Train as the plan says."""
    torch.set_num_threads(1)
    rank = Rank()
    plan = rank.plan
    loader = VolumeViT.batches(plan["batch"])
    module = seeded(lambda: Watched(VolumeViT(plan["dim"]), loader), 0)
    sampler = _Sampler(plan["steps"])
    before = _cpu_s()
    with TemporaryDirectory(prefix="gramscope-bench-") as directory:
        seen = fit(
            plan["arm"],
            module,
            plan["steps"],
            plan["every"],
            rank.world_size * plan["batch"],
            Path(directory),
            extra=[sampler],
            devices=rank.world_size,
            strategy=DDPStrategy(process_group_backend="gloo"),
        )
    own, children = (now - then for now, then in zip(_cpu_s(), before, strict=True))
    rank.report(
        {
            "cpu_s": own,
            "helpers_cpu_s": children,
            "memory": sampler.own,
            "helpers_memory": sampler.helpers,
            "outcomes": seen.outcomes,
        }
    )


def _cpu_s() -> tuple[float, float]:
    """CPU time of this process, and of its children that have ended."""
    own, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own.ru_utime + own.ru_stime, children.ru_utime + children.ru_stime


class _Sampler(pl.Callback):
    """Notes the most memory seen in the second half of the run."""

    def __init__(self, steps: int) -> None:
        self._from = steps // 2
        self._interval = max(1, steps // 8)
        self.own = {"uss": 0, "pss": 0}
        self.helpers = {"uss": 0, "pss": 0}

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        step = trainer.global_step
        if step < self._from or step % self._interval:
            return
        _raise(self.own, [os.getpid()])
        _raise(self.helpers, descendants(os.getpid()))


def _raise(most: dict[str, int], pids: list[int]) -> None:
    for name, value in dataclasses.asdict(memory(pids)).items():
        most[name] = max(most[name], value)


if __name__ == "__main__":
    main()
