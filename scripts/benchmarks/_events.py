"""Training-thread time of an event: ours against the reference, rendering at every step."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from _fit import ARMS, Fit, fit
from _models import Batches, StandIn, VolumeViT, Watched
from _report import Goal, Report
from _stats import Estimate, Spread, estimate, ratio_of_medians

__all__ = ["measure"]

WARM_UP = 5
# Ours: until the helper process has started and drawn what came meanwhile.
WARM_UP_S = 2.5
GOAL_SIZE = (128, 768)
GOAL_S = 0.2e-3
GOAL_RATIO = {"none": 1 / 2000, "wandb": 1 / 200}


@dataclass(frozen=True)
class Case:
    """What is trained and where events go."""

    model: str
    """``stand-in`` or ``vit``."""
    n: int
    dim: int
    logger: str
    """``none`` or ``wandb``."""
    steps: int
    """That count, at the end of a run."""
    step_s: float
    """Least length of a step."""
    patch: int
    """Edge of the ViT's patches, which decides its cost."""

    @property
    def title(self) -> str:
        """For people."""
        model = "3D ViT, " if self.model == "vit" else ""
        logger = "W&B offline" if self.logger == "wandb" else "no logger"
        return f"{model}{self.n}x{self.dim}, {logger}"

    def module(self) -> Watched:
        """What is trained."""
        if self.model == "vit":
            model = VolumeViT(self.dim, depth=4, patch=self.patch)
            return Watched(model, VolumeViT.batches(self.n, 2))
        return Watched(StandIn(self.n, self.dim), Batches([torch.zeros(1)]), self.step_s)


@dataclass
class Row:
    """One callback in one case."""

    arm: str
    step_s: Spread
    """From one step's end to the next."""
    event_s: Spread
    """Training-thread time of a step, less ``control_s``; one event a step."""
    control_s: float
    """The same without a callback, median: Lightning's and the clocks' own part."""
    median_s: Estimate
    """The median of ``event_s``, with its interval over rounds."""
    mean_s: float
    """Mean of ``event_s``: an event's whole cost, if some steps publish several and others none."""
    tail_s: Spread
    """After the last step, until `Trainer.fit` returned."""
    outcomes: dict[str, int]
    """Of ours: what became of the events."""


def measure(report: Report, arguments: argparse.Namespace) -> None:
    """Measure all cases, print and keep.

    Args:
        report: Where to.
        arguments: The benchmark's options.
    """
    torch.set_num_threads(1)
    report.section(
        f"Training-thread time of an event; every step is due. A stand-in for a model writes the "
        "features freshly to memory, in a forward pass that costs next to nothing, so the "
        "reference's extra forward is hardly part of its figures; its steps are kept busy with "
        f"matrix products on one thread for {arguments.step_ms:g} ms, so that there is time to "
        "draw every picture. `3D ViT` is a real model with a real forward pass, one thread as "
        "well. Without a logger both callbacks keep their pictures as files; with W&B (offline) "
        "both hand over an image and scalars."
    )
    rows = []
    for case in _cases(arguments):
        rounds = [_round(case, number) for number in range(arguments.rounds)]
        mine = [_row(case, arm, rounds) for arm in ARMS[1:]]
        ratio = ratio_of_medians(
            [(_net_s(fits, "ours", case), _net_s(fits, "reference", case)) for fits in rounds]
        )
        _show(report, case, mine, ratio)
        if (case.n, case.dim) == GOAL_SIZE:
            _goals(report, case, mine[0], ratio)
        rows.append({"case": asdict(case), "rows": mine, "ours_over_reference": ratio})
    report.keep("events", rows)


def _cases(arguments: argparse.Namespace) -> list[Case]:
    step_s, patch = arguments.step_ms / 1e3, arguments.vit_patch
    cases = [
        Case("stand-in", n, dim, logger, arguments.steps, step_s, patch)
        for logger in GOAL_RATIO
        for n, dim in arguments.sizes
    ]
    vit_steps = max(1, arguments.steps // 4)
    return [
        *cases,
        *(Case("vit", *GOAL_SIZE, logger, vit_steps, 0.0, patch) for logger in GOAL_RATIO),
    ]


def _round(case: Case, number: int) -> dict[str, Fit]:
    """One run of each arm, in an order that changes from round to round."""
    order = [ARMS[(place + number) % len(ARMS)] for place in range(len(ARMS))]
    fits: dict[str, Fit] = {}
    for arm in order:
        fits[arm] = _fit(arm, case)
    return fits


def _fit(arm: str, case: Case) -> Fit:
    warm_up = WARM_UP
    if arm == "ours" and case.step_s:
        warm_up = max(WARM_UP, round(WARM_UP_S / case.step_s))
    with TemporaryDirectory(prefix="gramscope-bench-") as name:
        directory = Path(name)
        loggers = [_wandb_logger(directory)] if case.logger == "wandb" else []
        seen = fit(arm, case.module(), warm_up + case.steps, 1, case.n, directory, loggers)
        if loggers:
            _finish_wandb()
    return seen


def _wandb_logger(directory: Path) -> Any:
    from gramscope.sweep.wandb_run import wandb_logger

    logger = wandb_logger("offline", save_dir=directory, project="bench")
    _ = logger.experiment  # starts the run before anything is measured
    return logger


def _finish_wandb() -> None:
    import wandb

    wandb.finish()


def _control_s(fits: dict[str, Fit], case: Case) -> float:
    return float(np.median(fits["none"].event_s[-case.steps :]))


def _net_s(fits: dict[str, Fit], arm: str, case: Case) -> list[float]:
    control = _control_s(fits, case)
    return [s - control for s in fits[arm].event_s[-case.steps :]]


def _row(case: Case, arm: str, rounds: list[dict[str, Fit]]) -> Row:
    net = [_net_s(fits, arm, case) for fits in rounds]
    outcomes: Counter[str] = Counter()
    for fits in rounds:
        outcomes.update(fits[arm].outcomes)
    return Row(
        arm,
        Spread.of([s for fits in rounds for s in fits[arm].steps_s(1)[-case.steps :]]),
        Spread.of([s for samples in net for s in samples]),
        float(np.median([_control_s(fits, case) for fits in rounds])),
        estimate(net, lambda chosen: float(np.median(np.concatenate(chosen)))),
        float(np.mean(net)),
        Spread.of([fits[arm].tail_s for fits in rounds]),
        dict(outcomes),
    )


def _show(report: Report, case: Case, rows: list[Row], ratio: Estimate) -> None:
    report.table(
        f"{case.title}: training-thread time of an event, ms, above the "
        f"{1e6 * rows[0].control_s:.0f} µs without a callback",
        ["callback", "median [p5 – p95]", "max", "mean", "step", "after the end", "events"],
        [
            (
                row.arm,
                row.event_s.text(1e3),
                f"{1e3 * row.event_s.max:.3g}",
                f"{1e3 * row.mean_s:.3g}",
                row.step_s.text(1e3),
                row.tail_s.text(1e3),
                ", ".join(f"{k} {v}" for k, v in row.outcomes.items()) or "all logged",
            )
            for row in rows
        ],
    )
    report.note(f"ours / reference: {_fraction(ratio)}, medians of rounds")


def _fraction(ratio: Estimate) -> str:
    """``1/500 (1/400 … 1/600)``."""
    value, high, low = (f"1/{1 / v:.4g}" for v in (ratio.value, ratio.high, ratio.low))
    return f"{value} ({high} … {low})" if ratio.groups > 1 else value


def _goals(report: Report, case: Case, ours: Row, ratio: Estimate) -> None:
    figure = f"training-thread time of an event, ours / reference, {case.title}"
    report.goal(Goal(figure, GOAL_RATIO[case.logger], ratio, as_fraction=True))
    if case.logger == "none":
        figure = f"training-thread time of an event, median, {case.title}"
        report.goal(Goal(figure, 1e3 * GOAL_S, ours.median_s.times(1e3), "ms"))
