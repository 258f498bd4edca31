"""CPU time and memory that the callbacks add, on rank 0 and on the others: two real processes."""

import argparse
from typing import Any

import numpy as np
import psutil
import pytorch_lightning as pl
from _fit import events, fit, turns
from _machine import family
from _models import VolumeViT, Watched, volumes
from _ranks import launch
from _report import Goal, Report
from _stats import estimate
from pytorch_lightning.strategies import DDPStrategy

GOAL_MB = {"rank 0": 150.0, "other ranks": 20.0}
PROCESSES = len(GOAL_MB)
NEVER = 1_000_000_000
RUNS = ["none", "idle", "ours", "reference"]


def measure(report: Report, chosen: argparse.Namespace) -> None:
    """Measure, print and keep."""
    runs = ["none", "ours"] if chosen.quick else RUNS
    steps = chosen.resource_steps
    plan = (steps, max(1, chosen.batch // PROCESSES), chosen.dim)
    repeats = [
        {run: launch(_rank, run, *plan, processes=PROCESSES) for run in turns(runs, number)}
        for number in range(chosen.repeats)
    ]
    figures = {run: np.array([[rank[0] for rank in each[run]] for each in repeats]) for run in runs}
    rows = [
        {"rank": name, "run": run, **_row(figures, run, rank, steps)}
        for rank, name in enumerate(GOAL_MB)
        for run in runs[1:]
    ]
    report.table("resources", "resources: added to a run without a callback", rows)
    report.note(f"events of ours, each repeat: {[each['ours'][0][1] for each in repeats]}")
    for row in rows:
        if row["run"] == "ours":
            figure = f"memory added to {row['rank']}, {chosen.batch}x{chosen.dim}"
            report.goal(Goal(figure, GOAL_MB[row["rank"]], row["PSS_MB"], "MB"))


def _row(figures: dict[str, np.ndarray], run: str, rank: int, steps: int) -> dict[str, Any]:
    # [repeats, ranks, 4] in all of them
    mine, without = figures[run][:, rank], figures["none"][:, rank]
    cpu_s, helpers_cpu_s, uss_mb, pss_mb = map(estimate, (mine - without).T)
    base, event_ms = {"ours": "idle", "reference": "none"}.get(run), None
    if base in figures:
        event_ms = estimate(1e3 / steps * (mine - figures[base][:, rank])[:, 0])
    return {
        "CPU_s": cpu_s,
        "helpers_CPU_s": helpers_cpu_s,
        "CPU_an_event_ms": event_ms,
        "USS_MB": uss_mb,
        "PSS_MB": pss_mb,
    }


def _rank(run: str, steps: int, batch: int, dim: int) -> tuple[list[float], str]:
    """What training on this rank needs: CPU s, those of helpers, USS and PSS in MB; its events."""

    def module() -> Watched:
        return Watched(VolumeViT(dim), volumes(batch))

    sampler, rows = _Sampler(steps), PROCESSES * batch
    job = {"devices": PROCESSES, "strategy": DDPStrategy(process_group_backend="gloo")}
    before = np.array(psutil.Process().cpu_times()[:4])
    callback, every = ("ours", NEVER) if run == "idle" else (run, 1)
    seen = fit(callback, module, steps, rows, every, extra=[sampler], **job)
    used = np.array(psutil.Process().cpu_times()[:4]) - before
    # Of the four the last two are those of children that have ended.
    return [used.sum(), used[2:].sum(), *sampler.most], events([seen])


class _Sampler(pl.Callback):
    """Notes the most USS and PSS seen in the second half of the run, helpers included."""

    def __init__(self, steps: int) -> None:
        self.most = np.zeros(2)
        self._due = range(steps // 2, steps + 1, max(1, steps // 8))

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step in self._due:
            memory = [process.memory_full_info() for process in family()]
            now = np.sum([(each.uss / 1e6, each.pss / 1e6) for each in memory], axis=0)
            self.most = np.maximum(self.most, now)
