"""Student and teacher: two copies of backbone and heads, one of which follows the other."""

from __future__ import annotations

import copy

import torch
from einops import rearrange
from monai.networks.layers import DropPath
from torch import Tensor, nn

from project.data.crops import Batch
from project.dinov2.heads import ProjectionHead
from project.dinov2.vit import VisionTransformer3D

__all__ = ["Branch", "SelfDistillation"]


class Branch(nn.Module):
    """A backbone with its two heads.

    Args:
        backbone: Encoder.
        dino_head: Projects class tokens.
        ibot_head: Projects patch tokens.
    """

    def __init__(
        self, backbone: VisionTransformer3D, dino_head: ProjectionHead, ibot_head: ProjectionHead
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.dino_head = dino_head
        self.ibot_head = ibot_head


class SelfDistillation(nn.Module):
    """A student that learns and a teacher that is its moving average.

    Args:
        backbone: Encoder of the student; the teacher starts as its copy.
        dino_head: Head for class tokens.
        ibot_head: Head for patch tokens.
    """

    def __init__(
        self, backbone: VisionTransformer3D, dino_head: ProjectionHead, ibot_head: ProjectionHead
    ) -> None:
        super().__init__()
        self.student = Branch(backbone, dino_head, ibot_head)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        # The teacher never drops paths. Were it kept in evaluation mode instead, Lightning
        # would warn about that at the start of every training.
        for module in self.teacher.modules():
            if isinstance(module, DropPath):
                module.drop_prob = 0.0

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Encode all views of a batch.

        With `B` crops, `V` global and `L` local views, `P` patches in a global view, `M` masked
        patches in the batch, width `D` and `K` prototypes. Rows are view-major: all crops'
        first view, then all crops' second view, …; local views follow global ones.

        Args:
            batch: `global_crops` `[B, V, C, S, S, S]`, `local_crops` `[B, L, C, s, s, s]` and
                `masks` `[B, V, P]`.

        Returns:
            After the head, and with `_backbone` before it:

            | key | shape |
            |---|---|
            | `teacher_cls_token`, `…_backbone` | `[V·B, K]`, `[V·B, D]` |
            | `student_glob_cls_token`, `…_backbone` | `[V·B, K]`, `[V·B, D]`, masked input |
            | `student_glob_cls_token_bottleneck` | `[V·B, d]`, within the head, before prototypes |
            | `student_cls_token`, `…_backbone` | `[(V+L)·B, K]`, `[(V+L)·B, D]` |
            | `teacher_patch_tokens`, `student_patch_tokens` | `[M, K]`, masked patches only |
            | `teacher_patch_tokens_backbone`, `student_…` | `[V·B, P, D]` |
            | `mask` | `[V·B, P]` bool |
        """
        views = batch["global_crops"].shape[1]
        global_crops = rearrange(batch["global_crops"], "b v ... -> (v b) ...")
        local_crops = rearrange(batch["local_crops"], "b v ... -> (v b) ...")
        mask = rearrange(batch["masks"], "b v p -> (v b) p")
        masked = mask.flatten().nonzero().squeeze(1)  # [M]

        with torch.no_grad():
            whole = self.teacher.backbone(global_crops)
            teacher_cls = self.teacher.dino_head(whole.cls)
            teacher_patches = self.teacher.ibot_head(whole.patches.flatten(0, 1)[masked])

        seen = self.student.backbone(global_crops, mask)
        cls_tokens = seen.cls
        if len(local_crops):
            cls_tokens = torch.cat([seen.cls, self.student.backbone(local_crops).cls])
        bottleneck = self.student.dino_head.mlp(cls_tokens)
        student_cls = self.student.dino_head.last_layer(bottleneck)
        num_global = views * len(batch["global_crops"])
        return {
            "teacher_cls_token": teacher_cls,
            "teacher_cls_token_backbone": whole.cls,
            "student_glob_cls_token": student_cls[:num_global],
            "student_glob_cls_token_backbone": seen.cls,
            "student_glob_cls_token_bottleneck": bottleneck[:num_global],
            "student_cls_token": student_cls,
            "student_cls_token_backbone": cls_tokens,
            "teacher_patch_tokens": teacher_patches,
            "teacher_patch_tokens_backbone": whole.patches,
            "student_patch_tokens": self.student.ibot_head(seen.patches.flatten(0, 1)[masked]),
            "student_patch_tokens_backbone": seen.patches,
            "mask": mask,
        }

    def probe_features(self, batch: Batch) -> dict[str, Tensor]:
        """What the teacher makes of whole images, without views or masks; monitors ask for it.

        Args:
            batch: `image` `[N, C, S, S, S]`, of any multiple `S` of the patch size.

        Returns:
            `teacher_cls_token` `[N, K]`, `teacher_cls_token_backbone` `[N, D]`,
            `teacher_patch_tokens_backbone` `[N, P, D]`, and the images as `image`.
        """
        whole = self.teacher.backbone(batch["image"])
        return {
            "teacher_cls_token": self.teacher.dino_head(whole.cls),
            "teacher_cls_token_backbone": whole.cls,
            "teacher_patch_tokens_backbone": whole.patches,
            "image": batch["image"],
        }

    def feature_views(self, batch: Batch) -> dict[str, dict[str, int | str]]:
        """Say which rows of `forward` are views of one crop; monitors ask for it.

        Args:
            batch: What `forward` is given; only its shapes are read.

        Returns:
            By key of class tokens, also those with `_backbone` or `_bottleneck`: `count`, the views
            of a crop; `layout`, always `stacked`, all crops' first view, then all crops' second
            one; and `alike`, where local views follow: how many before them are global. Empty
            with a single global view, which leaves nothing to compare.
        """
        views, local_views = (batch[key].shape[1] for key in ("global_crops", "local_crops"))
        if views < 2:
            return {}
        whole: dict[str, int | str] = {"count": views, "layout": "stacked"}
        mixed = {**whole, "count": views + local_views, "alike": views} if local_views else whole
        declared = {
            "teacher_cls_token": whole,
            "student_glob_cls_token": whole,
            "student_cls_token": mixed,
        }
        both = {
            key + end: dict(rows) for key, rows in declared.items() for end in ("", "_backbone")
        }
        return both | {"student_glob_cls_token_bottleneck": dict(whole)}

    @torch.no_grad()
    def update_teacher(self, momentum: float) -> None:
        """Move the teacher: `teacher = momentum * teacher + (1 - momentum) * student`."""
        teacher: list[Tensor] = list(self.teacher.parameters())
        student: list[Tensor] = list(self.student.parameters())
        torch._foreach_mul_(teacher, momentum)
        torch._foreach_add_(teacher, student, alpha=1.0 - momentum)
