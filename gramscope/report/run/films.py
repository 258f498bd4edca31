"""The film strip of what is watched on the same rows over time, and what it says as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gramscope.diagnosis import NUMBERS, format_number
from gramscope.report.run.choice import film
from gramscope.report.run.content import Pictures
from gramscope.report.run.panels import Panel

__all__ = ["Film", "films"]

_OVER_TIME = "gram_drift"
"""The number of events that show the same rows as those before them."""


@dataclass(frozen=True)
class Film:
    """The strip of one panel."""

    panel: int
    """Its place among them."""
    name: str
    steps: list[int]
    numbers: list[str]
    """Names of those that compare events, or are of patches."""
    rows: list[list[str]]
    """Of each step their values."""


def films(panels: Sequence[Panel], shown: Sequence[Pictures]) -> Iterator[Film]:
    """A strip for each panel that shows the same rows at more than one step."""
    for at, (panel, pictures) in enumerate(zip(panels, shown, strict=True)):
        same = pictures.of_patches or _OVER_TIME in panel.summary
        if same and len(panel.steps) > 1:
            yield _film(at, panel)


def _film(at: int, panel: Panel) -> Film:
    steps = film(panel.steps)
    told = [n.name for n in NUMBERS.values() if n.needs in ("probe", "patches")]
    numbers = [name for name in told if name in panel.summary]
    events = panel.history.events
    rows = [[_said(name, events[step].metrics.get(name)) for name in numbers] for step in steps]
    return Film(at, panel.name, steps, numbers, rows)


def _said(name: str, value: float | None) -> str:
    return "—" if value is None else format_number(name, value)
