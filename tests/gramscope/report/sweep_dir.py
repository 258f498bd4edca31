"""Sweeps on disk, written by what writes them in a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gramscope.events import Event, Matrix
from gramscope.events.files import EVENTS_FILE, append_event, stem, write_atomically
from gramscope.events.matrix import OfRole


class SweepDir:
    """A multirun directory that jobs are put into."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.jobs = 0

    def job(
        self,
        *overrides: str,
        subdir: str | None = None,
        config: str = "callbacks:\n  gram:\n    _target_: gramscope.callbacks.GramMatrixCallback\n",
        numbered: bool = True,
    ) -> JobDir:
        """Add a job as Hydra lays it out."""
        number, self.jobs = self.jobs, self.jobs + 1
        job = self.path / (str(number) if subdir is None else subdir)
        (job / ".hydra").mkdir(parents=True)
        (job / ".hydra" / "overrides.yaml").write_text(json.dumps(overrides))
        num = number if numbered else "???"
        (job / ".hydra" / "hydra.yaml").write_text(f"hydra:\n  job:\n    num: {num}\n")
        (job / ".hydra" / "config.yaml").write_text(config)
        return JobDir(job)


class JobDir:
    """A job's directory that events are put into."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.gram_dir = path / "gram"

    def npz(self, step: int, log_key: str = "gram_matrix") -> Path:
        return stem(self.gram_dir, log_key, step).with_suffix(".npz")

    def log(
        self,
        *steps: int,
        gram: Any = 0.5,
        metrics: Mapping[str, float] | None = None,
        feature_key: str = "teacher_cls_token",
        log_key: str = "gram_matrix",
        ranks: Sequence[int] = (0, 0, 1, 1),
        remark: str | None = None,
        role: str | None = None,
        others: Mapping[str, Any] | None = None,
        state: str | None = None,
        said: str = "",
        **rows: Any,
    ) -> JobDir:
        """Log events; a number as `gram`, or as that of `others`, is that of every entry.

        Further arguments say what the rows are: `label`, `sample_id`, `spectrum`, …
        """
        n = len(ranks)

        def square(values: Any) -> Any:
            return np.broadcast_to(np.float32(values), (n, n))

        of_others = {name: OfRole(square(values)) for name, values in (others or {}).items()}
        rank = np.array(ranks, np.int32)
        matrix = Matrix(square(gram), rank, role=role, others=of_others, **rows)
        numbers = dict(metrics or {"offdiag_mean": 0.1, "offdiag_std": 0.2})
        for step in steps:
            event = Event(step, log_key, feature_key, len(set(ranks)), n, numbers)
            event.diagnosis, event.change = state, {"text": said} if said else None
            event.log()
            if remark:
                event.remark(remark)
            write_atomically(self.npz(step, log_key), matrix.npz())
            append_event(self.gram_dir, event)
        return self

    def measure(self, *steps: int, **metrics: float) -> JobDir:
        """Log events that have numbers and no picture."""
        for step in steps:
            event = Event(step, "gram_matrix", "teacher_cls_token", 1, 4, metrics, drawn=False)
            event.log()
            append_event(self.gram_dir, event)
        return self

    def skip(self, *steps: int, reason: str = "backlog", **metrics: float) -> JobDir:
        """Account for due steps without a picture."""
        for step in steps:
            event = Event(step, "gram_matrix", "teacher_cls_token", metrics=metrics, reason=reason)
            append_event(self.gram_dir, event)
        return self

    def line(self, line: str) -> None:
        """Add a line as it is."""
        self.gram_dir.mkdir(parents=True, exist_ok=True)
        with (self.gram_dir / EVENTS_FILE).open("a") as file:
            file.write(f"{line}\n")
