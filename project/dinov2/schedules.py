"""Numbers that change over a training."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["CosineSchedule"]


@dataclass(frozen=True)
class CosineSchedule:
    """Linear warm-up, then half a cosine.

    In shares of the training, so that a longer run stretches it.

    Attributes:
        base: Value after the warm-up.
        final: Value at the last step.
        start: Value at step 0, if there is a warm-up.
        warmup: Share of the steps that the warm-up takes.
    """

    base: float
    final: float
    start: float = 0.0
    warmup: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.warmup <= 1.0:
            raise ValueError(f"Expected `warmup` in [0, 1], but got {self.warmup}")

    def __call__(self, step: int, total_steps: int) -> float:
        """Value at a step.

        Args:
            step: Optimizer steps taken so far, from 0; beyond the end the value stays.
            total_steps: Optimizer steps of the whole training.
        """
        progress = min(step / max(1, total_steps - 1), 1.0)
        if progress < self.warmup:
            return self.start + (self.base - self.start) * progress / self.warmup
        if self.warmup == 1.0:
            return self.base
        phase = (progress - self.warmup) / (1.0 - self.warmup)
        return self.final + 0.5 * (self.base - self.final) * (1.0 + math.cos(math.pi * phase))
