"""What became of one due step."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Event"]


@dataclass
class Event:
    """One due step of one monitor, logged or skipped; exists on rank 0 only."""

    step: int
    log_key: str
    feature_key: str
    world_size: int
    n: int = 0
    """Rows in the matrix."""
    metrics: dict[str, float] = field(default_factory=dict)
    status: str = "skipped"
    """``logged`` once there is a picture and somebody took it, else ``skipped``."""
    reason: str | None = None
    """Why it was skipped, or what is missing from a logged one."""
    outcome: str = "unknown"
    """``logged``, or in a word why it was skipped; what events are counted by."""
    png: bytes | None = None
    """The picture."""
    prepared: Any = None
    """What `Watch.prepare` made of it."""
    kept: bool = False
    """Whether it is among the files below `save_dir`."""
    picture: Path | None = None
    """A file that holds the picture until the event is recorded, or for good with `save_dir`."""

    def log(self) -> None:
        """End as logged."""
        self.status = self.outcome = "logged"

    def skip(self, reason: str) -> None:
        """End as skipped.

        Args:
            reason: Why.
        """
        self.status, self.outcome = "skipped", reason
        self.reason = f"{reason}; {self.reason}" if self.reason else reason

    def remark(self, reason: str) -> None:
        """Add to the reasons.

        Args:
            reason: What went wrong.
        """
        self.reason = f"{self.reason}; {reason}" if self.reason else reason

    def as_json(self) -> str:
        """One line of ``events.jsonl``."""
        return json.dumps(
            {
                "step": self.step,
                "log_key": self.log_key,
                "feature_key": self.feature_key,
                "n": self.n,
                "world_size": self.world_size,
                "metrics": self.metrics,
                "diagnosis": None,
                "status": self.status,
                "reason": self.reason,
            },
            allow_nan=False,
        )

    def keep_finite(self, metrics: dict[str, Any]) -> None:
        """Take over the metrics that are numbers.

        Args:
            metrics: By name; NaN says that the metric has no value at this N.
        """
        self.metrics = {name: float(v) for name, v in metrics.items() if math.isfinite(v)}
