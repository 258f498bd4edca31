"""Which snapshot of a run to take as the teacher of gram anchoring."""

from __future__ import annotations

from gramscope.diagnosis.dense import Snapshot, best_snapshot
from gramscope.report.history import History

__all__ = ["best_of", "teacher_of"]


def best_of(history: History) -> Snapshot | None:
    """The event whose patches were grouped best; ``None`` where no three have their numbers."""
    return best_snapshot((step, event.metrics) for step, event in history.events.items())


def teacher_of(history: History) -> str:
    """The same in words, with what it rests on; empty where nobody can say."""
    best = best_of(history)
    return f"patches were grouped best at {best.text}" if best else ""
