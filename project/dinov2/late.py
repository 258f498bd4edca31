"""A training that goes on otherwise from some step on, to see what that does to the features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from project.dinov2.module import DINOv2
from project.dinov2.schedules import CosineSchedule

__all__ = ["LateChange"]


class LateChange(Callback):
    """Changes weights of losses and makes schedules constant.

    Args:
        step: Optimizer step from which on it is otherwise, at least 1.
        objective: New values of the objective's weights, by name, for example `ibot_weight`.
        schedules: Constants in the place of schedules, by name, for example `weight_decay`.

    Raises:
        ValueError: If `step` is out of range.
    """

    def __init__(
        self,
        step: int,
        objective: Mapping[str, float] | None = None,
        schedules: Mapping[str, float] | None = None,
    ) -> None:
        if step < 1:
            raise ValueError(f"Expected `step` to be at least 1, but got {step}")
        self.step = step
        self.objective = {name: float(weight) for name, weight in (objective or {}).items()}
        self.schedules = {name: float(value) for name, value in (schedules or {}).items()}

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Make the change before the step is computed; after a resume as well.

        Raises:
            ValueError: If there is no such weight or schedule.
        """
        if trainer.global_step < self.step or not isinstance(pl_module, DINOv2):
            return
        for name, weight in self.objective.items():
            _replace(pl_module.objective, name, weight)
        for name, value in self.schedules.items():
            _replace(pl_module, name, CosineSchedule(value, value))


def _replace(owner: Any, name: str, value: Any) -> None:
    if not isinstance(getattr(owner, name, None), type(value)):
        raise ValueError(f"Expected `{name}` to be one of {type(owner).__name__}'s, but it is not")
    setattr(owner, name, value)
