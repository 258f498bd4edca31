"""Sweeps on disk, written by what writes them in a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from gramscope.events.storage import append_line, npz_bytes
from torch import Tensor

from gramscope.events.event import Event
from gramscope.events.files import stem, write_atomically


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
        gram: Tensor | float = 0.5,
        metrics: Mapping[str, Any] | None = None,
        feature_key: str = "teacher_cls_token",
        log_key: str = "gram_matrix",
        ranks: Sequence[int] = (0, 0, 1, 1),
        remark: str | None = None,
    ) -> JobDir:
        """Log events; a number as `gram` is that of every entry."""
        matrix = torch.full((4, 4), gram) if isinstance(gram, float) else gram
        rank = torch.tensor(ranks, dtype=torch.int32)
        for step in steps:
            event = Event(step, log_key, feature_key, len(set(ranks)), n=len(matrix))
            event.keep_finite(dict(metrics or {"offdiag_mean": 0.1, "offdiag_std": 0.2}))
            event.log()
            if remark:
                event.remark(remark)
            npz = npz_bytes(matrix, rank, torch.arange(len(matrix)), None)
            write_atomically(self.npz(step, log_key), npz)
            self.line(event.as_json())
        return self

    def skip(self, *steps: int, reason: str = "backlog", **metrics: float) -> JobDir:
        """Account for due steps without a picture."""
        for step in steps:
            event = Event(step, "gram_matrix", "teacher_cls_token", 1, metrics=metrics)
            event.skip(reason)
            self.line(event.as_json())
        return self

    def line(self, line: str) -> None:
        append_line(self.gram_dir / "events.jsonl", line)
