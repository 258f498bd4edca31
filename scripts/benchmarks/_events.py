"""Training-thread time of an event: ours against the reference, rendering at every step."""

import argparse
from typing import NamedTuple

import numpy as np
import torch
from _fit import Fit, events, fit, turns
from _models import StandIn, VolumeViT, Watched, volumes
from _report import Goal, Report
from _stats import Spread, estimate

CALLBACKS = ("none", "ours", "reference")
WARM_UP = 5
GOAL_SIZE = (128, 768)
GOAL_MS = 0.2
GOAL_PERCENT = {"no logger": 100 / 2000, "W&B offline": 100 / 200}


class Case(NamedTuple):
    """What is trained, and where events go: a key of `GOAL_PERCENT`."""

    vit: bool
    n: int
    dim: int
    logger: str

    def __str__(self) -> str:
        return f"{'3D ViT, ' if self.vit else ''}{self.n}x{self.dim}, {self.logger}"


def measure(report: Report, chosen: argparse.Namespace) -> None:
    """Measure all cases, print and keep."""
    torch.set_num_threads(1)
    sizes = [*((False, *size) for size in chosen.sizes), (True, *GOAL_SIZE)]
    for case in [Case(*size, logger) for size in sizes for logger in GOAL_PERCENT]:
        steps = max(1, chosen.steps // 4) if case.vit else chosen.steps
        rounds = [
            {name: _fit(name, case, steps, chosen) for name in turns(CALLBACKS, number)}
            for number in range(chosen.rounds)
        ]
        _show(report, case, rounds, steps)


def _fit(callback: str, case: Case, steps: int, chosen: argparse.Namespace) -> Fit:
    def module() -> Watched:
        if case.vit:
            model = VolumeViT(case.dim, depth=4, patch=chosen.vit_patch)
            return Watched(model, volumes(case.n, 2))
        return Watched(StandIn(case.n, case.dim), [torch.zeros(1)], chosen.step_ms / 1e3)

    steps += min(WARM_UP, chosen.warm_up)
    if callback == "ours" and not case.vit:  # until the helper has drawn what came meanwhile
        steps += round(1e3 * chosen.warm_up_s / chosen.step_ms)
    return fit(callback, module, steps, case.n, wandb=case.logger != "no logger")


def _show(report: Report, case: Case, rounds: list[dict[str, Fit]], steps: int) -> None:
    ms = {x: np.array([fits[x].event_ms[-steps:] for fits in rounds]) for x in CALLBACKS}
    taken_off = np.median(ms.pop("none"), axis=1, keepdims=True)  # [rounds, 1]
    net = {name: values - taken_off for name, values in ms.items()}  # [rounds, steps] each
    ours, reference = (np.median(values, axis=1) for values in net.values())
    rows = [
        {
            "case": str(case),
            "callback": name,
            "event_ms": Spread.of(values),
            "max_ms": float(values.max()),
            "mean_ms": float(values.mean()),
            "taken_off_ms": float(np.median(taken_off)),
            "step_ms": Spread.of([fits[name].step_ms[-steps:] for fits in rounds]),
            "over_ours": estimate(reference / ours) if name == "reference" else None,
            "events": events([fits[name] for fits in rounds]) or "all logged",
        }
        for name, values in net.items()
    ]
    report.table("events", f"events: training thread, {case}", rows)
    if (case.n, case.dim) == GOAL_SIZE:
        figure, limit = f"training-thread time of an event, {case}", GOAL_PERCENT[case.logger]
        percent = estimate(100 * ours / reference)
        report.goal(Goal(f"{figure}, ours / reference", limit, percent, "%"))
        if case.logger == "no logger":
            report.goal(Goal(f"{figure}, median", GOAL_MS, estimate(net["ours"]), "ms"))
