"""CPU time and memory that the callbacks add, on rank 0 and on the others: two real processes."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from _ranks import launch
from _report import Goal, Report
from _stats import Estimate, estimate

__all__ = ["measure"]

GOAL_MB = {0: 150.0, 1: 20.0}
NEVER = 1_000_000_000
PROCESSES = 2

# Arm, and steps between two due ones; `idle` is ours without a single event.
RUNS = {
    "none": ("none", 1),
    "idle": ("ours", NEVER),
    "ours": ("ours", 1),
    "reference": ("reference", 1),
}


@dataclass
class Row:
    """What one callback adds on one rank."""

    rank: int
    run: str
    cpu_s: Estimate
    """CPU time of the whole run, helper process included."""
    helpers_cpu_s: Estimate
    """Of which in helper processes."""
    event_cpu_s: Estimate | None
    """CPU time an event: more than without an event, over the events."""
    uss: Estimate
    """Bytes of memory that belong to the process and its helpers alone."""
    pss: Estimate
    """The same, with its share of what is shared with others."""
    memory: Estimate
    """The larger of both."""


def measure(report: Report, arguments: argparse.Namespace) -> None:
    """Measure, print and keep.

    Args:
        report: Where to.
        arguments: The benchmark's options.
    """
    report.section(
        f"CPU time and memory added to a run without a callback: {PROCESSES} processes (DDP, gloo) "
        f"of one thread each, the same 3D ViT, features {arguments.batch}x{arguments.dim} over all "
        "ranks, every step due. `idle` is ours with no step due. Memory is the most seen in the "
        "second half of the run; helper processes count with their rank."
    )
    repeats = [_repeat(number, arguments) for number in range(arguments.repeats)]
    rows = [
        _row(rank, run, repeats, arguments.resource_steps)
        for rank in range(PROCESSES)
        for run in RUNS
        if run != "none"
    ]
    _show(report, rows)
    outcomes = [repeat["ours"][0]["outcomes"] for repeat in repeats]
    report.note(f"events of ours, each repeat: {outcomes}")
    report.keep("resources", rows)
    report.keep("resources_outcomes", outcomes)
    for row in rows:
        if row.run == "ours":
            where = "rank 0" if row.rank == 0 else "other ranks"
            figure = f"memory added to {where}, {arguments.batch}x{arguments.dim}"
            report.goal(Goal(figure, GOAL_MB[row.rank], row.memory.times(1e-6), "MB"))


def _repeat(number: int, arguments: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """One run of each kind, in an order that changes; what each rank reported."""
    runs = list(RUNS)
    order = runs[number % len(runs) :] + runs[: number % len(runs)]
    return {run: _run(*RUNS[run], arguments) for run in order}


def _run(arm: str, every: int, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    plan = {
        "arm": arm,
        "every": every,
        "steps": arguments.resource_steps,
        "batch": max(1, arguments.batch // PROCESSES),
        "dim": arguments.dim,
    }
    return launch("_overhead_rank.py", plan, PROCESSES)


def _row(rank: int, run: str, repeats: list[dict[str, Any]], steps: int) -> Row:
    def added(figure: Callable[[dict[str, Any]], float], base: str = "none") -> Estimate:
        differences = [figure(r[run][rank]) - figure(r[base][rank]) for r in repeats]
        return estimate(differences, lambda chosen: float(np.median(chosen)))

    base = {"ours": "idle", "reference": "none"}.get(run)
    return Row(
        rank,
        run,
        added(_cpu_s),
        added(lambda seen: seen["helpers_cpu_s"]),
        added(_cpu_s, base).times(1 / steps) if base else None,
        added(lambda seen: _memory(seen, "uss")),
        added(lambda seen: _memory(seen, "pss")),
        added(lambda seen: max(_memory(seen, "uss"), _memory(seen, "pss"))),
    )


def _cpu_s(seen: dict[str, Any]) -> float:
    return float(seen["cpu_s"] + seen["helpers_cpu_s"])


def _memory(seen: dict[str, Any], kind: str) -> float:
    return float(seen["memory"][kind] + seen["helpers_memory"][kind])


def _show(report: Report, rows: list[Row]) -> None:
    report.table(
        "added: median of repeats (95 % interval)",
        ["rank, run", "CPU, s", "of it helpers, s", "CPU an event, ms", "USS, MB", "PSS, MB"],
        [
            (
                f"{row.rank}, {row.run}",
                row.cpu_s.text(),
                row.helpers_cpu_s.text(),
                row.event_cpu_s.text(1e3) if row.event_cpu_s else "–",
                row.uss.text(1e-6),
                row.pss.text(1e-6),
            )
            for row in rows
        ],
    )
