"""One due step of one monitor, and its line in ``events.jsonl``."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern
from typing import Any, TypeVar

from gramscope.diagnosis import State
from gramscope.events.matrix import Matrix
from gramscope.events.reasons import Reason

__all__ = ["Event"]

_ON_DISK = (
    *("step", "log_key", "feature_key", "name", "n", "world_size"),
    *("metrics", "absent", "diagnosis", "change", "drawn", "status", "reason"),
)
Kind = TypeVar("Kind")

_MOST = 1 << 53  # what a float counts exactly


@dataclass
class Event:
    """What became of one due step; made on rank 0 only."""

    step: int
    """Optimizer step."""
    log_key: str
    """Logger key of the heatmap."""
    feature_key: str
    """Of several features, their roles."""
    world_size: int = 1
    n: int = 0
    """Rows in the matrix."""
    metrics: dict[str, float] = field(default_factory=dict)
    """The numbers that have a value, by name."""
    absent: dict[str, list[str]] = field(default_factory=dict)
    """The numbers that were asked for and have none, by why."""
    diagnosis: str | None = None
    """Name of the run's state."""
    change: dict[str, Any] | None = None
    """Of a state that begins: ``since``, ``role``, ``text``, and ``evidence``, a list of number,
    value, sign and threshold."""
    name: str = ""
    """What the thing watched is called; at first its feature key."""
    drawn: bool = True
    """Whether a picture was wanted; else it has numbers alone."""
    status: str = "skipped"
    """``logged`` once it has numbers and somebody took its picture, else ``skipped``."""
    reason: str | None = None
    """Why it was skipped, or what is missing from a logged one."""

    # From here on: of a running job, not on disk.
    outcome: str = "unknown"
    """``logged``, or in a word why it was skipped; what events are counted by."""
    matrix: Matrix | None = None
    """What is drawn; gone once the event is recorded."""
    png: bytes | None = None
    """The picture."""
    prepared: Any = None
    """What the monitor's ``prepare`` made of it; gone once the event is recorded."""
    film: Event | None = None
    """A picture of this event beside earlier ones, for loggers, under a key of its own."""
    published: bool = False
    """Whether loggers have had it, so that its outcome is final."""
    state: State | None = None
    """The run's state, of which `diagnosis` is the name."""
    before: State | None = None
    """The state that has ended with this event, if one has."""
    memory: str | None = None
    """What the diagnosis knows of the run so far, as JSON; gone once that is accounted for."""
    kept: bool = False
    """Whether it is among the files below `save_dir`."""
    picture: Path | None = None
    """A file that holds the picture until the event is recorded, or for good with `save_dir`."""

    def __post_init__(self) -> None:
        """Name it."""
        self.name = self.name or self.feature_key

    @property
    def logged(self) -> bool:
        """Whether it has numbers, and a picture that somebody took if there is one."""
        return self.status == "logged"

    def log(self) -> None:
        """End as logged."""
        self.status = self.outcome = "logged"

    def skip(self, reason: Reason) -> None:
        """End as skipped."""
        self.status, self.outcome = "skipped", reason.name
        self.reason = f"{reason.name}; {self.reason}" if self.reason else reason.name

    def remark(self, what: str) -> None:
        """Add to the reasons what else went wrong."""
        self.reason = f"{self.reason}; {what}" if self.reason else what

    def as_json(self) -> str:
        """One line of ``events.jsonl``."""
        return json.dumps({name: getattr(self, name) for name in _ON_DISK}, allow_nan=False)

    @classmethod
    def from_json(cls, line: bytes | str) -> Event:
        """The event of one line; what a damaged one lacks has its default.

        Raises:
            ValueError: If it is no event at all.
        """
        try:
            read = json.loads(line)
            step = read["step"]
            log_key, feature_key = str(read["log_key"]), str(read["feature_key"])
            metrics = (read.get("metrics") or {}).items()
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError("not an event") from error
        if isinstance(step, bool) or not isinstance(step, int) or not 0 <= step < _MOST:
            raise ValueError("not an optimizer step")
        return cls(
            step=step,
            log_key=log_key,
            feature_key=feature_key,
            name=_of(str, read.get("name")) or "",
            world_size=_count(read.get("world_size")),
            n=_count(read.get("n")),
            # A run's events share their names; what is NaN or Inf is within no bounds.
            metrics={
                intern(name): float(value)
                for name, value in metrics
                if type(value) in (float, int) and -_MOST < value < _MOST
            },
            diagnosis=_of(str, read.get("diagnosis")),
            change=_of(dict, read.get("change")),
            drawn=read.get("drawn") is not False,
            status="logged" if read.get("status") == "logged" else "skipped",
            reason=_of(str, read.get("reason")) or None,
        )


def _count(value: Any) -> int:
    return value if type(value) is int and 0 <= value < _MOST else 0


def _of(kind: type[Kind], value: Any) -> Kind | None:
    return value if isinstance(value, kind) else None
