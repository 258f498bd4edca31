"""What a page shows side by side: each feature of each run, with its numbers and its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gramscope.report.history import History, feature_names, roles_of
from gramscope.report.run.choice import choose
from gramscope.report.runs import Run
from gramscope.report.spells import Spell, spells
from gramscope.report.summary import MetricSummary, summarise

__all__ = ["MOST_RUNS", "Panel", "panels_of"]

MOST_RUNS = 24
_MOST = 24
"""Panels on a page."""


@dataclass
class Panel:
    """One feature of one run."""

    run: Run
    feature: str
    """What it is called among those of its run."""
    name: str
    """What it is called on the page: the feature, the run, or both."""
    history: History
    watched: History
    """What it is of: itself, or several features that were watched together."""
    spells: list[Spell]
    """The states of what was watched."""
    summary: dict[str, MetricSummary]
    steps: list[int] = field(default_factory=list)
    """Those whose picture is on the page."""


def panels_of(runs: Sequence[Run], budget: int) -> tuple[list[Panel], list[str]]:
    """The panels of some runs, and what was left out of the page.

    Args:
        runs: All with an event at least.
        budget: Bytes of the page that pictures may take.
    """
    panels = [panel for run in runs for panel in _of_run(run, alone=len(runs) == 1)]
    remarks = []
    if len(panels) > _MOST:
        remarks.append(
            f"Shown are {_MOST} of {len(panels)} features of {len(runs)} runs; name fewer runs to "
            "see others."
        )
    panels = panels[:_MOST]
    for panel in panels:
        panel.steps = choose(panel.history, panel.spells, budget // len(panels))
    return panels, remarks


def _of_run(run: Run, *, alone: bool) -> list[Panel]:
    of_roles = [(watched, role) for watched in run.watched for role in roles_of(watched)]
    features = feature_names([role for _, role in of_roles])
    states = {id(watched): spells(watched) for watched in run.watched}
    return [
        Panel(
            run=run,
            feature=feature,
            name=_name(run.name, feature, alone, len(features)),
            history=role,
            watched=watched,
            spells=states[id(watched)],
            summary=summarise(role),
        )
        for feature, (watched, role) in zip(features, of_roles, strict=True)
    ]


def _name(run: str, feature: str, alone: bool, features: int) -> str:
    if alone:
        return feature
    return run if features == 1 else f"{run} · {feature}"
