"""What the page's script works with: pictures by step, and numbers over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gramscope.diagnosis import NUMBERS, number_of, with_ceiling
from gramscope.events.matrix import Matrix, MatrixError, Patches, read_matrix
from gramscope.picture.colours import viridis
from gramscope.report.curves import thinned
from gramscope.report.history import History, gram_of
from gramscope.report.run.choice import STRETCHES
from gramscope.report.run.encoding import image, picture
from gramscope.report.run.panels import Panel
from gramscope.report.run.slices import slices
from gramscope.report.spells import Spell

__all__ = ["Pictures", "content", "known_numbers", "pictures"]

_CAPTIONS = 5


def known_numbers(panels: Sequence[Panel]) -> list[str]:
    """All numbers of some panels, those of the table first, in its order."""
    names = {name for panel in panels for name in panel.summary}
    return sorted(names, key=lambda name: (_place(name), name))


def _place(name: str) -> int:
    number = number_of(name)
    return list(NUMBERS).index(number.name) if number else len(NUMBERS)


def content(panels: Sequence[Panel]) -> dict[str, Any]:
    """Everything but the pictures."""
    return {
        "panels": [_panel(panel) for panel in panels],
        "viridis": viridis()[:, :3].tobytes().hex(),
        "charts": [_chart(name, panels) for name in known_numbers(panels)],
    }


def _panel(panel: Panel) -> dict[str, Any]:
    events = panel.history.events
    return {
        "name": panel.name,
        "spells": [_spell(spell) for spell in panel.spells],
        "skipped": [step for step, event in events.items() if not event.logged][:1000],
        "last": panel.history.last_step,
    }


def _spell(spell: Spell) -> dict[str, Any]:
    return {
        "title": spell.title,
        "alarm": spell.kind.alarm,
        "first": spell.first,
        "last": spell.last,
    }


def _chart(name: str, panels: Sequence[Panel]) -> dict[str, Any]:
    number = number_of(name)
    lines = [thinned(panel.history.series(name), STRETCHES) for panel in panels]
    return {
        "name": name,
        "headline": bool(number and number.headline),
        "decimals": number.decimals if number else None,
        "lines": [[[step for step, _ in line], [_short(v) for _, v in line]] for line in lines],
    }


def _short(value: float) -> float:
    return float(f"{value:.5g}")


@dataclass
class Pictures:
    """Those of one panel."""

    frames: list[dict[str, Any]] = field(default_factory=list)
    image: str | None = None
    """Of which its rows are patches: the first that is known, since it is the same in all."""
    of_patches: bool = False
    """Whether any shows slices."""
    problems: list[str] = field(default_factory=list)
    """What could not be read, or is not shown."""


def pictures(panel: Panel) -> Pictures:
    """The pictures of a panel, whose steps are then those that could be read."""
    found = Pictures()
    for step in panel.steps:
        try:
            matrix = read_matrix(panel.history.matrix_file(step))
            found.frames.append(_picture(panel.history, step, matrix))
            if matrix.patches is not None:
                _add_slices(found, matrix.patches)
        except MatrixError as error:
            found.problems.append(f"{panel.name}, step {step}: {error}")
    panel.steps = [one["step"] for one in found.frames]
    return found


def _add_slices(found: Pictures, patches: Patches) -> None:
    if slices(patches) is None:
        grid = " x ".join(map(str, patches.grid))
        raise MatrixError(f"a grid of {grid} patches is too fine for slices")
    found.of_patches = True
    found.image = found.image or image(patches)


def _picture(history: History, step: int, matrix: Matrix) -> dict[str, Any]:
    event = history.events[step]
    headlines = [n.name for n in NUMBERS.values() if n.headline and n.name in event.metrics]
    return {
        "step": step,
        "world": event.world_size,
        "captions": [[n, with_ceiling(n, event.metrics)] for n in headlines[:_CAPTIONS]],
        "remark": event.reason or "",
        "labelled": matrix.label is not None,
        "data": picture(matrix, *gram_of(matrix, history.role)),
    }
