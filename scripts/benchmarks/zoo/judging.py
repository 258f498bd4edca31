"""What became of a training, by a reference that knows nothing of our numbers, and who saw it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gramscope.diagnosis import Diagnosis

__all__ = ["BASELINES", "Record", "alarm_of", "bands", "baseline_of", "damage", "events", "read"]

MARGIN = 0.03
"""By how much k-NN has to be below the lowest healthy seed: two standard errors of 1000 images."""


@dataclass(frozen=True)
class Record:
    """A training, read back."""

    cell: str
    """Data, encoder and method."""
    fault: str
    seed: int
    accuracy: dict[int, float]
    loss: dict[int, float]
    numbers: dict[str, dict[int, dict[str, float]]]

    @property
    def healthy(self) -> bool:
        """Whether nothing was broken."""
        return self.fault == "healthy"


def read(path: Path) -> Record:
    """One file of `run`."""
    found = json.loads(path.read_text())
    data, encoder, method, fault, seed = found["name"].split("-")
    accuracy, loss = (_by_step(found[key]) for key in ("accuracy", "loss"))
    numbers = {what: _by_step(series) for what, series in found["numbers"].items()}
    return Record(f"{data}-{encoder}-{method}", fault, int(seed), accuracy, loss, numbers)


def _by_step(series: dict[str, Any]) -> dict[int, Any]:
    return {int(step): value for step, value in series.items()}


def bands(records: Iterable[Record]) -> dict[str, dict[int, float]]:
    """By cell and step, the lowest accuracy of its healthy seeds."""
    lowest: dict[str, dict[int, float]] = defaultdict(dict)
    for record in records:
        if record.healthy:
            for step, value in record.accuracy.items():
                lowest[record.cell][step] = min(value, lowest[record.cell].get(step, 1.0))
    return lowest


def damage(record: Record, band: dict[int, float]) -> int | None:
    """The first of three probes in a row, or of those up to the end, that are below the band."""
    steps = sorted(record.accuracy)
    below = [record.accuracy[step] < band[step] - MARGIN for step in steps]
    for position, step in enumerate(steps):
        if all(below[position : position + 3]) and position < len(steps) - 1:
            return step
    return None


def alarm_of(record: Record, what: str = "128", every: int = 10) -> tuple[int, str] | None:
    """The first alarm of a diagnosis, and its name."""
    diagnosis = Diagnosis()
    for step, numbers in events(record, what, every):
        state = diagnosis.update(step, numbers)
        if state.alarm:
            return step, state.name
    return None


def events(record: Record, what: str, every: int) -> Iterator[tuple[int, dict[str, float]]]:
    """A training's numbers at step 1 and at every so many."""
    for step, numbers in sorted(record.numbers[what].items()):
        if step == 1 or step % every == 0:
            yield step, numbers


def _usual(n: dict[str, float]) -> bool:
    return n["offdiag_mean"] >= 0.995 and n["offdiag_std"] <= 0.01


BASELINES: dict[str, Callable[[dict[str, float]], bool]] = {
    "mean ≥ 0.995 and std ≤ 0.01": _usual,
    "effective rank < 2": lambda n: n["effective_rank"] < 2,
    "effective rank < 25 % of its ceiling": lambda n: n["effective_rank_share"] < 0.25,
}
"""Rules that people use, on the head's numbers."""


def baseline_of(record: Record, rule: Callable[[dict[str, float]], bool]) -> int | None:
    """The first step at which a rule holds."""
    for step, numbers in events(record, "128", 10):
        head = {k.rpartition("/")[2]: v for k, v in numbers.items() if "student" not in k and "head/" in k}
        if "offdiag_mean" in head and rule(head):
            return step
    return None
