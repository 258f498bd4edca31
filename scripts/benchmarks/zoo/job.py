"""The bundled job as one of the zoo's trainings: DINOv2 on MRI, by its own command line."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from gramscope.events.files import read_events

__all__ = ["FAULTS_OF_JOB", "JOB", "train_job"]

JOB = "mri-vit3d-dinov2"
"""Its cell: data, encoder and method."""

ROOT = Path(__file__).resolve().parents[3]
STEPS, PROBE_EVERY = 100, 25

_SHORT = (
    f"trainer.max_steps={STEPS}",
    *("+trainer.enable_progress_bar=false", "logger=csv", "callbacks.checkpoint=null"),
    *(
        "callbacks.collapse_monitor.log_every_n_steps=1000",
        f"callbacks.knn_probe.every_n_steps={PROBE_EVERY}",
    ),
    *("callbacks.monitor_progress_bar=null", "trainer.log_every_n_steps=10"),
)
_TEACHER_TEMPERATURE = "model.teacher_temperature.{start,base,final}"

FAULTS_OF_JOB: dict[str, tuple[str, ...]] = {
    "healthy": (),
    "rate_x10": ("model.lr.base=0.02",),
    "rate_x100": ("experiment=collapse_rate",),
    "same_views": ("experiment=collapse_views",),
    "no_centring_no_koleo": ("experiment=collapse_prototype",),
    "teacher_too_hot": ("experiment=collapse_uniform",),
    "frozen_teacher": ("model.teacher_momentum.base=1.0",),
    "no_ema": ("model.teacher_momentum.base=0.0", "model.teacher_momentum.final=0.0"),
}
"""What is given on its command line; the experiments are those that anybody may watch."""


def train_job(fault: str, seed: int, directory: Path) -> dict[str, Any]:
    """Train it, and read what it wrote: accuracy, loss and numbers by step.

    Args:
        fault: One of `FAULTS_OF_JOB`.
        seed: Of weights, data order, crops and masks.
        directory: Where it keeps its files.
    """
    given = [*FAULTS_OF_JOB[fault], *_SHORT, f"seed={seed}", f"hydra.run.dir={directory}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "project.train", *given]
    subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    rows = list(csv.DictReader((directory / "csv" / "metrics.csv").open()))
    events, _ = read_events(directory / "gram" / "events.jsonl")
    numbers = {event.step: event.metrics for event in events if event.log_key == "gram_matrices"}
    return {
        "accuracy": _column(rows, "probe/knn_accuracy"),
        "loss": _column(rows, "train/loss"),
        "numbers": {"128": numbers},
    }


def _column(rows: list[dict[str, str]], name: str) -> dict[int, float]:
    return {int(row["step"]): float(row[name]) for row in rows if row.get(name)}
