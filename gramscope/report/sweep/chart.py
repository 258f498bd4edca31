"""Small line charts of a run's history, as coordinates for inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gramscope.diagnosis import NUMBERS, Number, format_number
from gramscope.report.curves import thinned
from gramscope.report.history import History

__all__ = ["Chart", "Scale", "charted", "common_scale", "draw_chart"]

_WIDTH, _HEIGHT = 220, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 26, 8, 8, 18
_MARKED_POINTS = 24  # with more, markers run into each other
_NOISE = 0.05  # below 0 by less, a value needs no room of its own
_STRETCHES = 200  # about one for each pixel of width


@dataclass(frozen=True)
class Scale:
    """The axes that all charts of a page share."""

    last_step: int
    lowest: float
    """0 unless a value is well below, then −0.5 or −1; the upper end is 1."""

    def x(self, step: float) -> float:
        """Pixels from the left."""
        return round(_LEFT + step / self.last_step * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        """Pixels from the top; what lies beyond the axis stays at its end."""
        share = (1 - min(max(value, self.lowest), 1)) / (1 - self.lowest)
        return round(_TOP + share * (_HEIGHT - _TOP - _BOTTOM), 1)

    @property
    def y_ticks(self) -> list[tuple[float, str]]:
        """Pixels from the top and label of each tick."""
        ticks = (-1, -0.5, 0, 0.5, 1)
        return [(self.y(t), f"{t:g}".replace("-", "−")) for t in ticks if t >= self.lowest]

    @property
    def x_ticks(self) -> list[tuple[float, str]]:
        """Pixels from the left and label of each tick."""
        return [(self.x(step), str(step)) for step in (0, self.last_step)]


@dataclass(frozen=True)
class Line:
    """One metric."""

    series: int
    """Its place among the charted, from 1."""
    points: str
    """``x,y x,y …``."""
    markers: list[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """One run."""

    lines: list[Line]
    text: str
    """What the chart shows, for those who do not see it."""
    width: int = _WIDTH
    height: int = _HEIGHT


def charted() -> list[str]:
    """The metrics that have a line: the headlines that fit the common axis, or their shares."""
    headlines = [n for n in NUMBERS.values() if n.headline]
    pairs = [(n, NUMBERS.get(f"{n.name}_share")) for n in headlines]
    return [n.name for pair in pairs for n in pair if n and _fits(n)]


def _fits(number: Number) -> bool:
    return number.low >= -1 and number.high <= 1


def common_scale(histories: Sequence[History]) -> Scale:
    """Axes on which all of these can be compared."""
    values = [v for h in histories for metric in charted() for _, v in h.series(metric)]
    lowest = min(values, default=0.0)
    return Scale(
        last_step=max([1, *(h.last_step for h in histories)]),
        lowest=0 if lowest > -_NOISE else -0.5 if lowest >= -0.5 else -1,
    )


def draw_chart(history: History, scale: Scale) -> Chart:
    """The chart of one run."""
    lines, texts = [], []
    for series, metric in enumerate(charted(), 1):
        values = history.series(metric)
        if not values:
            continue
        at = [(scale.x(step), scale.y(value)) for step, value in thinned(values, _STRETCHES)]
        points = " ".join(f"{x},{y}" for x, y in at)
        lines.append(Line(series, points, at if len(at) <= _MARKED_POINTS else []))
        (first, start), (last, end) = values[0], values[-1]
        texts.append(
            f"{metric} {format_number(metric, start)} at step {first}, "
            f"{format_number(metric, end)} at step {last}"
        )
    return Chart(lines, "; ".join(texts) or f"none of {', '.join(charted())}")
