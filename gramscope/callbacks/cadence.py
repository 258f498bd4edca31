"""When a monitor is due: by optimizer steps, whatever the gradient accumulation."""

from __future__ import annotations

from typing import Any

__all__ = ["Cadence", "last_step"]


class Cadence:
    """Follows a trainer's ``global_step`` and foresees which batch completes a due step.

    A step is due when ``global_step`` reaches or passes a multiple of ``every``, or of
    ``numbers_every`` for numbers alone, so that optimizers that advance it by more than one at a
    time skip nothing.
    """

    def __init__(self, every: int, numbers_every: int | None = None) -> None:
        self._every = every
        self._cadences = [n for n in (every, numbers_every) if n]
        self.draws = True
        """Whether the latest due step is to have a picture."""
        self.step = 0
        """The optimizer step that was completed last."""
        self.completed = 0
        """How often a batch has completed a step, or several, since the start."""
        self._advance = 1  # the most by which a batch has advanced global_step
        self._batches = 0  # since the last optimizer step
        self._batches_per_step = 1  # as observed, for manual optimization

    def start(self, trainer: Any) -> None:
        """Take up the count where the trainer has it, after a resume too."""
        self.step, self.completed = trainer.global_step, 0
        self._advance = max(1, len(trainer.optimizers))
        self._batches = 0

    @property
    def next_due(self) -> int:
        """The first step behind the last completed one that is due."""
        return min((self.step // n + 1) * n for n in self._cadences)

    @property
    def setting(self) -> str:
        """What says how often steps are due, as it is written."""
        often = min(self._cadences)
        of_pictures = often == self._every
        return f"{'log' if of_pictures else 'metrics'}_every_n_steps={often}"

    def may_be_due(self) -> bool:
        """Whether the optimizer step under way may turn out to be due."""
        return self._crosses(self.step + self._advance)

    def micro_batches(self, trainer: Any, pl_module: Any, batch_idx: int) -> int:
        """How many batches make up the optimizer step that starts with the batch ``batch_idx``."""
        if not pl_module.automatic_optimization:
            return self._batches_per_step
        left = trainer.num_training_batches - batch_idx  # the epoch's last batch steps too
        return int(max(1, min(trainer.accumulate_grad_batches, left)))

    def advance(self, trainer: Any) -> tuple[bool, bool]:
        """Whether the finished batch completed an optimizer step, and whether that step is due."""
        self._batches += 1
        step = trainer.global_step
        if step == self.step:
            return False, False
        due = self._crosses(step)
        self.draws = self._passes(step, self._every) if due else self.draws
        self._advance = max(self._advance, step - self.step)
        self.step = step
        self.completed += 1
        self._batches_per_step, self._batches = self._batches, 0
        return True, due

    def _crosses(self, step: int) -> bool:
        return any(self._passes(step, n) for n in self._cadences)

    def _passes(self, step: int, every: int) -> bool:
        return step // every > self.step // every


def last_step(trainer: Any) -> int | None:
    """The step at which training ends at the latest; ``None``: nobody knows."""
    try:
        batches = trainer.estimated_stepping_batches
    except Exception:  # accumulation by a schedule, or a loader that cannot say
        return None
    most = batches * max(1, len(trainer.optimizers))  # each of which counts
    return int(most) if most < float("inf") else None
