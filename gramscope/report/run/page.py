"""The page of a run, or of several: HTML with its data and its script in it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from markupsafe import Markup

from gramscope.report.compare.comparison import compare
from gramscope.report.heatmap import legend_uri
from gramscope.report.html import templates
from gramscope.report.run.choice import MOST_ROWS, STRETCHES
from gramscope.report.run.content import content, pictures
from gramscope.report.run.encoding import packed
from gramscope.report.run.films import films
from gramscope.report.run.panels import Panel
from gramscope.report.run.settings import config_text, overrides
from gramscope.report.run.tables import accounts, lines
from gramscope.report.runs import Run

__all__ = ["Link", "render_page"]

_SCRIPTS = (
    *("data", "colours", "cells", "heatmap", "slices", "film", "spectrum", "player", "charts"),
    "page",
)
_CHARTS = resources.files("gramscope.report") / "vendor"


@dataclass(frozen=True)
class Link:
    """Another page of the family."""

    address: str
    """Relative to this one."""
    text: str


def render_page(
    runs: Sequence[Run],
    panels: Sequence[Panel],
    remarks: Sequence[str],
    links: Sequence[Link] = (),
    refresh_s: float | None = None,
    files: Sequence[str] = (),
) -> str:
    """The page as HTML.

    Args:
        runs: Whose settings it has.
        panels: What it shows side by side.
        remarks: What could not be read, or was left out.
        links: To other pages.
        refresh_s: After how many seconds it loads itself again; ``None``: never.
        files: What the features are from, where that is no run.
    """
    shown = [pictures(panel) for panel in panels]
    script = _script()
    return (
        templates()
        .get_template("run.html")
        .render(
            title=", ".join(files or [run.name for run in runs]),
            files=files,
            runs=runs,
            panels=panels,
            films=list(films(panels, shown)),
            of_patches=[one.of_patches for one in shown],
            # Of more than two, nobody could say which with which.
            comparison=compare(runs[0], runs[1]) if len(runs) == 2 else None,
            accounts=list(accounts(panels, runs)),
            lines=lines(panels),
            settings=[(run, overrides(run), config_text(run)) for run in runs],
            remarks=[*remarks, *(problem for one in shown for problem in one.problems)],
            links=links,
            refresh_s=refresh_s,
            legend=legend_uri(),
            script=Markup(script),
            policy=_policy(script),
            made=_made(panels),
            chart_style=Markup((_CHARTS / "uPlot.min.css").read_text()),
            data=packed(content(panels)),
            pictures=_json([one.frames for one in shown]),
            images=_json([one.image for one in shown]),
        )
    )


def _made(panels: Sequence[Panel]) -> str:
    """How much of what was kept is on the page."""
    shown = sum(len(panel.steps) for panel in panels)
    kept = sum(len(panel.history.pictured) for panel in panels)
    which = "" if shown == kept else ", spread evenly, those at changes of state among them"
    return (
        f"On this page: {shown} of {kept} gram matrices that are on disk{which}; of each at most "
        f"{MOST_ROWS} rows, its similarities in 256 steps of its range. A number of more than "
        f"{2 * STRETCHES} events is drawn by the extremes of {STRETCHES} stretches. Charts by "
        "uPlot, © 2022 Leon Sorokin, MIT License."
    )


def _script() -> str:
    parts = [(_CHARTS / "uPlot.iife.min.js").read_text()]
    scripts = resources.files("gramscope.report") / "scripts"
    parts += [(scripts / f"{name}.js").read_text() for name in _SCRIPTS]
    return "\n".join(parts)


def _policy(script: str) -> str:
    """What the browser is told to run: this script, and none that a name might smuggle in."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"; script-src 'sha256-{digest}'"


def _json(value: Any) -> Markup:
    """JSON that ends no script element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))
