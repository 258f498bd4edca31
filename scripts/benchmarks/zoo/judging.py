"""What became of a training, by a reference that knows nothing of our numbers, and who saw it."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from gramscope.diagnosis import Diagnosis

__all__ = [
    "BASELINES",
    "HEALTHY",
    "MARGIN",
    "WATCHERS",
    "Alarm",
    "Record",
    "Verdict",
    "damage",
    "read",
    "read_verdicts",
    "verdicts",
    "write",
]

_COLUMNS = ("cell", "fault", "seed", "steps", "learned", "damage")

HEALTHY = "healthy"
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


class Alarm(NamedTuple):
    """Who first said that something is wrong, and when."""

    step: int
    name: str


@dataclass(frozen=True)
class Verdict:
    """What became of a training, and what each watcher said."""

    cell: str
    fault: str
    seed: int
    steps: int
    """How long it was."""
    learned: float
    """What k-NN gained on random weights."""
    damage: int | None
    """The step from which on it is damaged."""
    seen: dict[str, Alarm | None]
    """By watcher; without those that had no numbers to look at."""

    @property
    def healthy(self) -> bool:
        """Whether nothing was broken."""
        return self.fault == HEALTHY


def read(path: Path) -> Record:
    """One file of `run`."""
    found = json.loads(path.read_text())
    cell, fault, seed = found["name"].rsplit("-", 2)
    accuracy, loss = (_by_step(found[key]) for key in ("accuracy", "loss"))
    numbers = {what: _by_step(series) for what, series in found["numbers"].items()}
    return Record(cell, fault, int(seed), accuracy, loss, numbers)


def _by_step(series: dict[str, Any]) -> dict[int, Any]:
    return {int(step): value for step, value in series.items()}


def _lowest(records: Iterable[Record]) -> dict[str, dict[int, float]]:
    """By cell and step, the lowest accuracy of its healthy seeds."""
    lowest: dict[str, dict[int, float]] = defaultdict(dict)
    for record in records:
        if record.fault == HEALTHY:
            for step, value in record.accuracy.items():
                lowest[record.cell][step] = min(value, lowest[record.cell].get(step, 1.0))
    return lowest


def damage(record: Record, lowest: dict[int, float]) -> int | None:
    """The first of three probes in a row, or of two at the end, below the lowest healthy seed."""
    steps = sorted(record.accuracy)
    below = [record.accuracy[step] < lowest[step] - MARGIN for step in steps]
    for position, step in enumerate(steps):
        if all(below[position : position + 3]) and position < len(steps) - 1:
            return step
    return None


def alarm_of(record: Record, what: str = "128", every: int = 10) -> Alarm | None:
    """The first alarm of a diagnosis; ``what``: the rows that numbers are made of."""
    diagnosis = Diagnosis()
    for step, numbers in _events(record, what, every):
        state = diagnosis.update(step, numbers)
        if state.alarm:
            return Alarm(step, state.name)
    return None


def baseline_of(record: Record, name: str) -> Alarm | None:
    """The first step at which one of `BASELINES` holds of the (teacher's) head."""
    for step, numbers in _events(record, "128", 10):
        head = _head(numbers)
        if head and BASELINES[name](head):
            return Alarm(step, name)
    return None


def _events(record: Record, what: str, every: int) -> Iterator[tuple[int, dict[str, float]]]:
    for step, numbers in sorted(record.numbers[what].items()):
        if step == 1 or step % every == 0:
            yield step, numbers


def _head(numbers: dict[str, float]) -> dict[str, float]:
    for role in ("teacher_head", "head"):
        if f"{role}/offdiag_mean" in numbers:
            start = f"{role}/"
            return {k.removeprefix(start): v for k, v in numbers.items() if k.startswith(start)}
    return {}


BASELINES: dict[str, Callable[[dict[str, float]], bool]] = {
    "mean ≥ 0.995 and std ≤ 0.01": lambda n: (
        n["offdiag_mean"] >= 0.995 and n["offdiag_std"] <= 0.01
    ),
    "effective rank < 2": lambda n: n["effective_rank"] < 2,
    "effective rank < 25 % of ceiling": lambda n: n["effective_rank_share"] < 0.25,
}
"""Rules that people use."""

WATCHERS: dict[str, Callable[[Record], Alarm | None]] = {
    "diagnosis": alarm_of,
    "views not known": lambda record: alarm_of(record, "128 without views"),
    "every 50 steps": lambda record: alarm_of(record, every=50),
    "every 100 steps": lambda record: alarm_of(record, every=100),
    **{f"N = {rows}": partial(alarm_of, what=rows) for rows in ("32", "64", "512")},
    **{name: partial(baseline_of, name=name) for name in BASELINES},
}
"""Who looks at a training; unless it is said, at 128 rows every 10 steps, views known."""


_MADE_OF = {"views not known": "128 without views", **{f"N = {n}": n for n in ("32", "64", "512")}}
"""Which numbers a watcher looks at, if they are others than those of 128 rows with views."""


def verdicts(records: Sequence[Record]) -> list[Verdict]:
    """What became of trainings, and who said so."""
    lowest = _lowest(records)
    return [_verdict(record, lowest[record.cell]) for record in records if record.cell in lowest]


def _verdict(record: Record, lowest: dict[int, float]) -> Verdict:
    seen = {name: watch(record) for name, watch in WATCHERS.items() if _can(name, record)}
    first, last = min(record.accuracy), max(record.accuracy)
    learned = record.accuracy[last] - record.accuracy[first]
    of = (record.cell, record.fault, record.seed, last, learned)
    return Verdict(*of, damage(record, lowest), seen)


def _can(watcher: str, record: Record) -> bool:
    return _MADE_OF.get(watcher, "128") in record.numbers


def write(path: Path, found: Sequence[Verdict]) -> None:
    """Keep verdicts as a table."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow([*_COLUMNS, *WATCHERS])
        for v in sorted(found, key=lambda v: (v.cell, v.fault, v.seed)):
            of = [_written(v.seen[name]) if name in v.seen else "" for name in WATCHERS]
            what = [v.cell, v.fault, v.seed, v.steps, f"{v.learned:.4f}", v.damage or ""]
            rows.writerow([*what, *of])


def read_verdicts(path: Path) -> list[Verdict]:
    """What `write` kept."""
    with path.open(newline="") as file:
        return [_read_verdict(row) for row in csv.DictReader(file)]


def _written(alarm: Alarm | None) -> str:
    return f"{alarm.step} {alarm.name}" if alarm else "-"


def _read_verdict(row: dict[str, str]) -> Verdict:
    seen = {}
    for name in WATCHERS:
        if row[name]:
            step, _, state = row[name].partition(" ")
            seen[name] = Alarm(int(step), state) if state else None
    damaged = int(row["damage"]) if row["damage"] else None
    of = (row["cell"], row["fault"], int(row["seed"]), int(row["steps"]), float(row["learned"]))
    return Verdict(*of, damaged, seen)
