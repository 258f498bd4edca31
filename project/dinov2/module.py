"""The training as a LightningModule."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning import LightningModule
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor
from torch.optim import Optimizer

from project.data.crops import Batch
from project.dinov2.model import SelfDistillation
from project.dinov2.objective import Assignment, Objective
from project.dinov2.param_groups import build_param_groups
from project.dinov2.schedules import CosineSchedule

__all__ = ["DINOv2"]


class DINOv2(LightningModule):
    """DINOv2 in 3D (Oquab et al. 2023).

    Every schedule is a function of the optimizer step, so that a resumed training and
    one that accumulates gradients follow the same curves.

    Args:
        model: Student and teacher; its output is what monitors watch.
        objective: Losses.
        lr: Learning rate.
        weight_decay: Weight decay of the parameters that decay.
        teacher_momentum: Share of itself that the teacher keeps at each optimizer step.
        teacher_temperature: Temperature of the teacher's targets.
        layer_decay: Factor of the learning rate from one block to the one before it.
        patch_embed_lr: Further factor for the patch embedding.
        freeze_last_layer: Share of the training during which the prototypes stay as they are.
        betas: AdamW's.
    """

    def __init__(
        self,
        model: SelfDistillation,
        objective: Objective,
        lr: CosineSchedule,
        weight_decay: CosineSchedule,
        teacher_momentum: CosineSchedule,
        teacher_temperature: CosineSchedule,
        layer_decay: float = 0.9,
        patch_embed_lr: float = 0.2,
        freeze_last_layer: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        super().__init__()
        self.model = model
        self.objective = objective
        self.lr = lr
        self.weight_decay = weight_decay
        self.teacher_momentum = teacher_momentum
        self.teacher_temperature = teacher_temperature
        self.layer_decay = layer_decay
        self.patch_embed_lr = patch_embed_lr
        self.freeze_last_layer = freeze_last_layer
        self.betas = betas

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Features of a batch, see `SelfDistillation.forward`."""
        outputs: dict[str, Tensor] = self.model(batch)
        return outputs

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Loss of one micro-batch."""
        temperature = self._now(self.teacher_temperature)
        crops, views = batch["global_crops"].shape[:2]
        losses = self.objective(self(batch), views, temperature)
        self.log("train/loss", losses["loss"], prog_bar=True, batch_size=crops)
        self.log_dict(
            {f"train/{name}": value for name, value in losses.items() if name != "loss"},
            batch_size=crops,
        )
        self.log_dict(
            {
                "schedule/lr": self._now(self.lr),
                "schedule/weight_decay": self._now(self.weight_decay),
                "schedule/teacher_momentum": self._now(self.teacher_momentum),
                "schedule/teacher_temperature": temperature,
            },
            batch_size=crops,
        )
        loss: Tensor = losses["loss"]
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Nothing is held against held-out crops: whoever watches them encodes them itself."""

    def feature_views(self, batch: Batch) -> dict[str, dict[str, int | str]]:
        """Which rows are views of one crop, see `SelfDistillation.feature_views`."""
        return self.model.feature_views(batch)

    def dino_assignment(self, batch: Batch) -> Assignment:
        """How the DINO loss of the coming step compares teacher and student; monitors ask for it.

        Args:
            batch: Of that step; it makes no difference here.

        Returns:
            See `Assignment`. Nothing is computed, and nothing changes.
        """
        return self.objective.dino_assignment(self._now(self.teacher_temperature))

    def configure_optimizers(self) -> Optimizer:
        """AdamW over the student."""
        groups = build_param_groups(self.model, self.layer_decay, self.patch_embed_lr)
        return torch.optim.AdamW(groups, lr=self.lr.base, betas=self.betas)

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Optimizer | LightningOptimizer,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        """Set the schedules, step, move the teacher: once per optimizer step by construction."""
        lr, weight_decay = self._now(self.lr), self._now(self.weight_decay)
        momentum = self._now(self.teacher_momentum)
        frozen = self.trainer.global_step < self.freeze_last_layer * self._total_steps
        for group in optimizer.param_groups:
            group["lr"] = 0.0 if frozen and group["last_layer"] else lr * group["lr_scale"]
            group["weight_decay"] = weight_decay * group["weight_decay_scale"]
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        self.model.update_teacher(momentum)

    @property
    def _total_steps(self) -> int:
        steps = self.trainer.estimated_stepping_batches
        if math.isinf(steps):
            raise ValueError(
                "Expected `trainer.max_steps` or `trainer.max_epochs` to end the training:"
                " the schedules depend on its length"
            )
        return int(steps)

    def _now(self, schedule: CosineSchedule) -> float:
        return schedule(self.trainer.global_step, self._total_steps)
