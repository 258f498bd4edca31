"""What was recorded of one feature in one job."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gramscope.events.files import stem
from gramscope.report.files import plain

__all__ = ["History", "Record", "read_histories"]

_MOST = 1 << 53  # what a float counts exactly


@dataclass(frozen=True)
class Record:
    """One due step."""

    step: int
    n: int
    """Rows in the matrix."""
    world_size: int
    metrics: dict[str, float]
    logged: bool
    reason: str
    """Why it was skipped, or what a logged one lacks; empty if there is nothing to say."""
    picture: Path
    """Where the matrix is if it was kept."""


@dataclass
class History:
    """The records of one feature, the latest of each step, in the order of steps."""

    feature_key: str
    log_key: str
    directory: Path
    records: dict[int, Record] = field(default_factory=dict)

    @property
    def logged(self) -> list[int]:
        """Steps with a picture."""
        return [step for step, record in self.records.items() if record.logged]

    @property
    def skipped(self) -> Counter[str]:
        """How many due steps have no picture, by reason."""
        reasons = [record.reason for record in self.records.values() if not record.logged]
        # What follows the first word differs from step to step: which ranks, which rows.
        return Counter(reason.partition(";")[0] or "no reason given" for reason in reasons)

    @property
    def last_step(self) -> int:
        """The last due step on record."""
        return max(self.records)

    def series(self, metric: str) -> list[tuple[int, float]]:
        """Steps and values of one metric, of skipped steps too where it was computed.

        Args:
            metric: Its name.
        """
        return [(s, r.metrics[metric]) for s, r in self.records.items() if metric in r.metrics]


def read_histories(path: Path) -> tuple[list[History], list[str]]:
    """The histories in one ``events.jsonl``, and what was wrong with the file.

    Args:
        path: The file. A step that occurs twice, as after a resume, counts as its later line
            says; a line that a killed run left unfinished is passed over.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        return [], [f"{path.name} is unreadable ({plain(error.strerror)})"]
    found: dict[tuple[str, str], History] = {}
    unreadable = 0
    for line in lines[:-1]:
        if line.strip():
            unreadable += not _take(line, path.parent, found)
    cut_off = bool(lines[-1].strip()) and not _take(lines[-1], path.parent, found)
    for history in found.values():
        history.records = dict(sorted(history.records.items()))
    lines_are = "line" if unreadable == 1 else "lines"
    problems = [f"{unreadable} unreadable {lines_are} in {path.name}"] if unreadable else []
    if cut_off:
        problems.append(f"the last line of {path.name} is cut off")
    return list(found.values()), problems


def _take(line: bytes, directory: Path, found: dict[tuple[str, str], History]) -> bool:
    try:
        event = json.loads(line)
        step = event["step"]
        if isinstance(step, bool) or not isinstance(step, int) or not 0 <= step < _MOST:
            return False
        log_key, feature_key = str(event["log_key"]), str(event["feature_key"])
        metrics = dict(event.get("metrics") or {})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return False
    history = found.setdefault(
        (log_key, feature_key), History(plain(feature_key), plain(log_key), directory)
    )
    history.records[step] = Record(
        step=step,
        n=_count(event.get("n")),
        world_size=_count(event.get("world_size")),
        metrics={plain(k): float(v) for k, v in metrics.items() if _is_number(v)},
        logged=event.get("status") == "logged",
        reason=plain(event.get("reason") or ""),
        picture=stem(directory, log_key, step).with_suffix(".npz"),
    )
    return True


def _count(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value < _MOST else 0


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < _MOST and math.isfinite(value)


def feature_names(histories: Sequence[History]) -> list[str]:
    """What tells the histories of one job apart: the feature, and more only where needed.

    Args:
        histories: Of one job.
    """
    names = [h.feature_key for h in histories]
    if len(set(names)) < len(names):
        names = [f"{h.feature_key} ({h.log_key})" for h in histories]
    if len(set(names)) < len(names):
        names = [f"{h.feature_key} ({plain(h.directory.name)}/{h.log_key})" for h in histories]
    return names
