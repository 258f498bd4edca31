"""The weighted sum that DINOv2 minimises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

import torch
from torch import Tensor, nn

from project.dinov2.losses import dino_loss, ibot_loss, koleo_loss
from project.dinov2.targets import Centering, SinkhornKnopp

__all__ = ["Assignment", "Objective"]

_CENTERINGS = ("sinkhorn", "centering")


class Assignment(TypedDict):
    """How the DINO loss compares teacher and student."""

    teacher: str
    """Key of the teacher's logits `[V·B, K]`."""
    student: str
    """Key of the student's logits `[V·B, K]`, row by row of the same views."""
    teacher_temperature: float
    student_temperature: float
    center: Tensor | None
    """`[K]`, subtracted from the teacher's logits: the buffer itself, which training moves."""
    sinkhorn_iterations: int | None
    """Of Sinkhorn-Knopp; `None` without it."""


class Objective(nn.Module):
    """DINO on class tokens, iBOT on masked patches, KoLeo before and within the DINO head.

    Args:
        num_prototypes: Outputs of the DINO and the iBOT head, in this order.
        centering: How teacher logits become targets, `sinkhorn` or `centering`.
        student_temperature: Temperature of the student's softmax.
        dino_weight: Weight of the DINO loss.
        ibot_weight: Weight of the iBOT loss.
        koleo_weight: Weight of KoLeo on the student's class tokens.
        head_koleo_weight: Weight of KoLeo on what the DINO head makes of them, before prototypes.
        center_momentum: Share of the old centre that each batch keeps; at 1 there is no centring.

    Raises:
        ValueError: If `centering` is unknown.
    """

    def __init__(
        self,
        num_prototypes: tuple[int, int],
        centering: str = "sinkhorn",
        student_temperature: float = 0.1,
        dino_weight: float = 1.0,
        ibot_weight: float = 1.0,
        koleo_weight: float = 0.1,
        head_koleo_weight: float = 0.0,
        center_momentum: float = 0.9,
    ) -> None:
        super().__init__()
        if centering not in _CENTERINGS:
            raise ValueError(
                f"Expected `centering` to be one of {_CENTERINGS}, but got {centering!r}"
            )
        dino, ibot = num_prototypes
        self.dino_targets: SinkhornKnopp | Centering = (
            SinkhornKnopp() if centering == "sinkhorn" else Centering(dino, center_momentum)
        )
        self.ibot_targets = (
            SinkhornKnopp() if centering == "sinkhorn" else Centering(ibot, center_momentum)
        )
        self.student_temperature = student_temperature
        self.dino_weight = dino_weight
        self.ibot_weight = ibot_weight
        self.koleo_weight = koleo_weight
        self.head_koleo_weight = head_koleo_weight

    def forward(
        self, outputs: Mapping[str, Tensor], views: int, teacher_temperature: float
    ) -> dict[str, Tensor]:
        """Compute the losses.

        Args:
            outputs: What `SelfDistillation.forward` returns.
            views: Global views of a crop.
            teacher_temperature: Temperature of the teacher's targets.

        Returns:
            Scalars `dino`, `ibot`, `koleo`, `head_koleo` and their weighted sum `loss`.
        """
        teacher, student = outputs["teacher_cls_token"], outputs["student_cls_token"]
        crops = len(teacher) // views
        probs = self.dino_targets(teacher, teacher_temperature)
        dino = dino_loss(
            student.unflatten(0, (-1, crops)),
            probs.unflatten(0, (views, crops)),
            self.student_temperature,
        )
        mask = outputs["mask"]
        ibot = ibot_loss(
            outputs["student_patch_tokens"],
            self.ibot_targets(outputs["teacher_patch_tokens"], teacher_temperature),
            (mask / mask.sum(dim=1, keepdim=True).clamp(min=1))[mask],
            len(mask),
            self.student_temperature,
        )
        koleo = _koleo_by_view(outputs["student_glob_cls_token_backbone"], views)
        head_koleo = _koleo_by_view(outputs["student_glob_cls_token_bottleneck"], views)
        loss = self.dino_weight * dino + self.ibot_weight * ibot
        loss = loss + self.koleo_weight * koleo + self.head_koleo_weight * head_koleo
        return {"loss": loss, "dino": dino, "ibot": ibot, "koleo": koleo, "head_koleo": head_koleo}

    def dino_assignment(self, teacher_temperature: float) -> Assignment:
        """Describe the DINO loss of a step, without computing anything.

        Args:
            teacher_temperature: Of that step.
        """
        targets = self.dino_targets
        center = targets.center if isinstance(targets, Centering) else None
        iterations = targets.iterations if isinstance(targets, SinkhornKnopp) else None
        return {
            "teacher": "teacher_cls_token",
            # The loss has local views besides, which have no row of the teacher beside them.
            "student": "student_glob_cls_token",
            "teacher_temperature": teacher_temperature,
            "student_temperature": self.student_temperature,
            "center": center,
            "sinkhorn_iterations": iterations,
        }


def _koleo_by_view(tokens: Tensor, views: int) -> Tensor:
    """Sum over views, `[V·B, D]` stacked: views of one crop must not repel each other."""
    return torch.stack([koleo_loss(view) for view in tokens.chunk(views)]).sum()
