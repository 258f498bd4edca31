"""Slow-down of whole runs: pairs of runs that differ in nothing but their callback."""

import argparse
import itertools
from typing import Any

import numpy as np
import torch
from _fit import Fit, events, fit, turns
from _machine import cores
from _models import VolumeViT, Watched, volumes
from _report import Goal, Report
from _stats import Spread, estimate

GOAL_EVERY_STEP = 3.0  # per cent, where a core is free
RUNS = ("none", "ours", "reference", "again")
NUMBERS = ("none", "numbers", "again")


def measure(report: Report, chosen: argparse.Namespace) -> None:
    """Measure all combinations, print and keep."""
    often = ((1, RUNS), (chosen.every, RUNS), (chosen.numbers_every, NUMBERS))
    for threads, (every, runs) in itertools.product(chosen.threads, often):
        torch.set_num_threads(threads)
        # Of the rarer frequency as many steps as hold one event.
        steps = chosen.warm_up + max(chosen.steps, every)
        _fit("none", chosen.warm_up, every, 0, chosen)
        pairs = [
            {run: _fit(run, steps, every, number, chosen) for run in turns(runs, number)}
            for number in range(chosen.pairs)
        ]
        _show(report, threads, every, pairs, chosen.warm_up)


def _fit(run: str, steps: int, every: int, seed: int, chosen: argparse.Namespace) -> Fit:
    def module() -> Watched:
        return Watched(VolumeViT(chosen.dim, depth=2), volumes(chosen.batch))

    callback = "none" if run == "again" else run
    return fit(callback, module, steps, chosen.batch, every, seed)


def _show(
    report: Report, threads: int, every: int, pairs: list[dict[str, Fit]], warm_up: int
) -> None:
    rows = [
        {"threads": threads, "every": every, "run": run, **_row(run, every, pairs, warm_up)}
        for run in pairs[0]
        if run != "none"
    ]
    used = f"{threads} of {cores()} cores in use"
    how_often = "every step" if every == 1 else f"every {every} steps"
    how_often += ", numbers alone" * ("numbers" in pairs[0])
    report.table("slowdown", f"slow-down: {used}, {how_often}, against no callback", rows)
    figure, slowdown = f"slow-down, {how_often}, {used}", rows[0]["slow-down_%"]
    if every > 1:
        report.goal(Goal(figure, 0.0, slowdown, "%", indistinct=True))
    elif threads < cores():
        report.goal(Goal(figure, GOAL_EVERY_STEP, slowdown, "%"))
        ratio = rows[1]["due_step_ms"].median / rows[0]["due_step_ms"].median
        report.note(f"due step, with the reference's extra forward: ours / reference 1/{ratio:.0f}")


def _row(run: str, every: int, pairs: list[dict[str, Fit]], warm_up: int) -> dict[str, Any]:
    mine, without = [pair[run] for pair in pairs], [pair["none"] for pair in pairs]
    step_ms, without_ms = ([each.step_ms[warm_up - 1 :] for each in x] for x in (mine, without))
    slowdown = 100 * (np.mean(step_ms, axis=1) / np.mean(without_ms, axis=1) - 1)
    first = -(-(warm_up + 1) // every) * every - 1  # due step behind those
    due_ms = [
        each.event_ms[first::every] - np.median(other.event_ms[warm_up:])
        for each, other in zip(mine, without, strict=True)
    ]
    return {
        "slow-down_%": estimate(slowdown),
        "mean_%": estimate(slowdown, np.mean),
        "fixed_s": estimate(np.subtract([x.fixed_s for x in mine], [x.fixed_s for x in without])),
        "step_ms": Spread.of(step_ms),
        "due_step_ms": Spread.of(due_ms),
        "events": events(mine),
    }
