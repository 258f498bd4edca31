"""Slow-down of whole runs: pairs of runs that differ in nothing but their callback."""

from __future__ import annotations

import argparse
import itertools
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from _fit import Fit, fit, seeded
from _machine import machine
from _models import VolumeViT, Watched
from _report import Goal, Report
from _stats import Estimate, Spread, estimate

__all__ = ["measure"]

# The helper process starts meanwhile, and draws what came in that time.
WARM_UP = 20
GOAL_EVERY_STEP = 3.0  # per cent, where a core is free

# `again` is a second run without a callback: what it seems to cost is the measurement's own error.
RUNS = {"none": "none", "ours": "ours", "reference": "reference", "again": "none"}


@dataclass
class Row:
    """One callback at one frequency and number of threads."""

    threads: int
    every: int
    run: str
    step_s: Spread
    """Step time, of all steps after the first few."""
    slowdown: Estimate
    """Ratio of the mean step times of a pair of runs, minus 1; median over pairs."""
    slowdown_mean: Estimate
    """The mean over pairs of the same."""
    fixed_s: Estimate
    """Seconds that start and end took more than without a callback; once a run."""
    event_s: Spread | None
    """Training-thread time of due steps, less what there is without a callback."""
    outcomes: dict[str, int]
    """Of ours: what became of the events."""


def measure(report: Report, arguments: argparse.Namespace) -> None:
    """Measure all combinations, print and keep.

    Args:
        report: Where to.
        arguments: The benchmark's options.
    """
    report.section(
        f"Slow-down of whole runs: a small 3D ViT, features {arguments.batch}x{arguments.dim}, no "
        "logger. `slow-down` compares the mean wall time of all steps but the first few: median "
        "and mean over pairs of runs of the same seed, with 95 % bootstrap intervals over pairs. "
        "`fixed` is what start and end take more, once, however long the run. `again` is a second "
        "run without a callback: what that seems to cost is the measurement's own error."
    )
    rows: list[Row] = []
    for threads, every in itertools.product(arguments.threads, (1, arguments.every)):
        mine = _measure(threads, every, arguments)
        rows += mine
        _show(report, mine)
        _goals(report, mine, arguments)
    report.keep("slowdown", rows)


def _measure(threads: int, every: int, arguments: argparse.Namespace) -> list[Row]:
    torch.set_num_threads(threads)
    # Of the rarer frequency as many steps as hold one event.
    steps = WARM_UP + (arguments.steps if every == 1 else every)
    _fit("none", WARM_UP, every, 0, arguments)
    pairs = [_pair(steps, every, number, arguments) for number in range(arguments.pairs)]
    return [_row(threads, every, run, pairs) for run in RUNS if run != "none"]


def _pair(steps: int, every: int, number: int, arguments: argparse.Namespace) -> dict[str, Fit]:
    """One run of each kind, in an order that changes from pair to pair."""
    runs = list(RUNS)
    order = runs[number % len(runs) :] + runs[: number % len(runs)]
    if number % 2:
        order.reverse()
    return {run: _fit(RUNS[run], steps, every, number, arguments) for run in order}


def _fit(arm: str, steps: int, every: int, seed: int, arguments: argparse.Namespace) -> Fit:
    loader = VolumeViT.batches(arguments.batch)
    module = seeded(lambda: Watched(VolumeViT(arguments.dim, depth=2), loader), seed)
    with TemporaryDirectory(prefix="gramscope-bench-") as directory:
        return fit(arm, module, steps, every, arguments.batch, Path(directory))


def _row(threads: int, every: int, run: str, pairs: list[dict[str, Fit]]) -> Row:
    ratios = [_mean_step_s(p[run]) / _mean_step_s(p["none"]) for p in pairs]
    fixed = [p[run].fixed_s - p["none"].fixed_s for p in pairs]
    outcomes: Counter[str] = Counter()
    for pair in pairs:
        outcomes.update(pair[run].outcomes)
    return Row(
        threads,
        every,
        run,
        Spread.of([s for p in pairs for s in p[run].steps_s(WARM_UP)]),
        estimate(ratios, lambda chosen: float(np.median(chosen)) - 1),
        estimate(ratios, lambda chosen: float(np.mean(chosen)) - 1),
        estimate(fixed, lambda chosen: float(np.median(chosen))),
        Spread.of(_due_s(pairs, run, every)) if run != "again" else None,
        dict(outcomes),
    )


def _mean_step_s(fit: Fit) -> float:
    return float(np.mean(fit.steps_s(WARM_UP)))


def _due_s(pairs: list[dict[str, Fit]], run: str, every: int) -> list[float]:
    """Training-thread time of every due step but the first few."""
    net = []
    for pair in pairs:
        control = float(np.median(pair["none"].event_s[WARM_UP:]))
        due = range(every - 1, len(pair[run].event_s), every)
        net += [pair[run].event_s[i] - control for i in due if i >= WARM_UP]
    return net


def _show(report: Report, rows: list[Row]) -> None:
    threads, every = rows[0].threads, rows[0].every
    report.table(
        f"{threads} thread{'s' if threads > 1 else ''} of {machine()['cores']} cores, "
        f"{'every step' if every == 1 else f'every {every} steps'}: slow-down against no callback",
        ["run", "slow-down, %", "mean, %", "fixed, s", "step, ms", "due step, ms", "events"],
        [
            (
                row.run,
                row.slowdown.text(100),
                row.slowdown_mean.text(100),
                row.fixed_s.text(),
                row.step_s.text(1e3),
                row.event_s.text(1e3) if row.event_s else "",
                ", ".join(f"{k} {v}" for k, v in row.outcomes.items()),
            )
            for row in rows
        ],
    )


def _goals(report: Report, rows: list[Row], arguments: argparse.Namespace) -> None:
    ours, reference, _ = rows
    where = f"{ours.threads} of {machine()['cores']} cores in use"
    slowdown = ours.slowdown.times(100)
    if ours.every > 1:
        figure = f"slow-down, every {ours.every} steps, {where}"
        report.goal(Goal(figure, 0.0, slowdown, "%", indistinct=True))
    elif ours.threads < machine()["cores"]:
        report.goal(Goal(f"slow-down, every step, {where}", GOAL_EVERY_STEP, slowdown, "%"))
        assert ours.event_s is not None and reference.event_s is not None
        report.note(
            f"training-thread time of an event with the reference's extra forward, "
            f"{arguments.batch}x{arguments.dim}: ours / reference "
            f"1/{reference.event_s.median / ours.event_s.median:.0f} (medians)"
        )
