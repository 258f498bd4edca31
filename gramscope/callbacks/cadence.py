"""When a monitor is due: by optimizer steps, whatever the gradient accumulation."""

from __future__ import annotations

from typing import Any

__all__ = ["Cadence"]


class Cadence:
    """Follows a trainer's ``global_step`` and foresees which batch completes a due step.

    A step is due when ``global_step`` reaches or passes a multiple of ``every``, or of
    ``numbers_every`` for numbers alone, so that optimizers that advance it by more than one at a
    time skip nothing.
    """

    def __init__(self, every: int, numbers_every: int | None = None) -> None:
        self._every = every
        self._numbers_every = numbers_every
        self.draws = True
        """Whether the latest due step is to have a picture."""
        self._step = 0
        self._advance = 1  # the most by which a batch has advanced global_step
        self._batches = 0  # since the last optimizer step
        self._batches_per_step = 1  # as observed, for manual optimization

    def start(self, trainer: Any) -> None:
        """Take up the count where the trainer has it, after a resume too."""
        self._step = trainer.global_step
        self._advance = max(1, len(trainer.optimizers))
        self._batches = 0

    def may_be_due(self) -> bool:
        """Whether the optimizer step under way may turn out to be due."""
        return self._crosses(self._step + self._advance)

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
        if step == self._step:
            return False, False
        due = self._crosses(step)
        self.draws = self._passes(step, self._every) if due else self.draws
        self._advance = max(self._advance, step - self._step)
        self._step = step
        self._batches_per_step, self._batches = self._batches, 0
        return True, due

    def _crosses(self, step: int) -> bool:
        return any(self._passes(step, n) for n in (self._every, self._numbers_every) if n)

    def _passes(self, step: int, every: int) -> bool:
        return step // every > self._step // every
