"""A loss that looks fine while the diagnosis speaks, and how early who finds damage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from zoo.judging import Record, Verdict, alarm_of

__all__ = ["draw"]

_OURS, _OTHERS = "tab:blue", ("0.25", "0.5", "0.7")
_SHOWN = (
    "diagnosis",
    "mean ≥ 0.995 and std ≤ 0.01",
    "effective rank < 2",
    "effective rank < 25 % of ceiling",
)


def draw(well: Record, broken: Record, found: Sequence[Verdict], path: Path) -> None:
    """Write the picture.

    Args:
        well: A training of the bundled job in which nothing is broken.
        broken: One in which something is.
        found: Verdicts of all trainings.
        path: The PNG file.
    """
    figure, (loss, spread, early) = plt.subplots(1, 3, figsize=(13, 3.6), layout="constrained")
    for record, color, name in ((well, "tab:green", "healthy"), (broken, "tab:red", broken.fault)):
        label = name.replace("_", " ")
        loss.plot(*zip(*sorted(record.loss.items()), strict=True), color=color, label=label)
        numbers = sorted(record.numbers["128"].items())
        steps = [step for step, _ in numbers]
        spread.plot(steps, [n["teacher_head/spread"] for _, n in numbers], color=color, label=label)
    alarm = alarm_of(broken)
    for axes in (loss, spread):
        if alarm:
            axes.axvline(alarm.step, color="tab:red", linestyle=":")
            text = f" {alarm.name.replace('_', ' ')}\n said at step {alarm.step}"
            axes.text(alarm.step, 0.75, text, transform=axes.get_xaxis_transform(), va="top")
        axes.set_xlabel("optimizer step")
        axes.legend(loc=(0.4, 0.3), frameon=False)
    loss.set_title("loss of the bundled job")
    spread.set_title("spread of its teacher's head")
    _early(early, found)
    figure.savefig(path, dpi=110)


def _early(axes: Axes, found: Sequence[Verdict]) -> None:
    """Share of damaged trainings that a watcher has found so long before or after the damage."""
    damaged = [v for v in found if v.damage and not v.healthy]
    for name, color in zip(_SHOWN, (_OURS, *_OTHERS), strict=True):
        lags = sorted(_lag(v, name) for v in damaged if v.seen[name])
        shares = [(n + 1) / len(damaged) for n in range(len(lags))]
        axes.step(
            [-200, *lags, 200], [0, *shares, *(shares or [0])[-1:]], color=color, where="post"
        )
        axes.plot([], [], color=color, label=name)
    axes.axvline(0, color="0.8", zorder=0)
    axes.set(xlim=(-100, 100), ylim=(0, 1.02), xlabel="steps after the damage")
    axes.set_title("damaged trainings found so far")
    axes.legend(frameon=False, fontsize=8, loc="upper left")


def _lag(verdict: Verdict, name: str) -> int:
    alarm = verdict.seen[name]
    assert alarm is not None and verdict.damage is not None
    return alarm.step - verdict.damage
