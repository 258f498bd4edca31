"""Optimizer parameter groups: what decays, what learns slower, what waits."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from torch import nn

from project.dinov2.model import SelfDistillation

__all__ = ["build_param_groups"]


def build_param_groups(
    model: SelfDistillation, layer_decay: float, patch_embed_lr: float
) -> list[dict[str, Any]]:
    """Sort the student's parameters into groups of one treatment each.

    Args:
        model: Teacher and student.
        layer_decay: Factor of the learning rate from one block to the one before it.
        patch_embed_lr: Further factor for the patch embedding.

    Returns:
        Groups for an optimizer, with three keys beside `params`: `lr_scale` and
        `weight_decay_scale` multiply the schedules, and `last_layer` marks the prototypes.
    """
    groups: dict[tuple[float, float, bool], list[nn.Parameter]] = defaultdict(list)
    depth = model.student.backbone.depth
    for name, parameter in model.student.named_parameters():
        lr_scale = layer_decay ** (depth + 1 - _layer(name, depth))
        if "patch_embed." in name:
            lr_scale *= patch_embed_lr
        key = (lr_scale, float(_decays(name, parameter)), "last_layer." in name)
        groups[key].append(parameter)
    return [
        {"params": params, "lr_scale": lr, "weight_decay_scale": decay, "last_layer": last}
        for (lr, decay, last), params in groups.items()
    ]


def _layer(name: str, depth: int) -> int:
    """0 for the embedding, `depth + 1` for what follows the last block."""
    parts = name.split(".")
    if parts[0] != "backbone" or parts[1] == "norm":
        return depth + 1
    return int(parts[2]) + 1 if parts[1] == "blocks" else 0


def _decays(name: str, parameter: nn.Parameter) -> bool:
    """Only matrices decay: no bias, norm, layer scale, token or position embedding."""
    return parameter.ndim >= 2 and not name.endswith(
        ("_token", "_tokens", "_position", "_positions")
    )
