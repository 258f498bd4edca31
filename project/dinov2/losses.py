"""The three losses of DINOv2 as pure functions; all compute in float32."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["dino_loss", "ibot_loss", "koleo_loss"]


def dino_loss(student_logits: Tensor, teacher_probs: Tensor, temperature: float) -> Tensor:
    """Cross-entropy between every teacher view and every other student view of the same crop.

    Args:
        student_logits: `[S, B, K]`, the `T` views that the teacher saw first.
        teacher_probs: `[T, B, K]` targets.
        temperature: Student temperature.

    Returns:
        Scalar: mean over crops and over pairs of different views.
    """
    log_probs = functional.log_softmax(student_logits.float() / temperature, dim=-1)
    # [T, S]
    entropy = -torch.einsum("tbk,sbk->ts", teacher_probs.float(), log_probs) / log_probs.shape[1]
    teachers, students = entropy.shape
    pairs = teachers * students - teachers
    return (entropy.sum() - entropy.diagonal().sum()) / pairs


def ibot_loss(
    student_logits: Tensor, teacher_probs: Tensor, weights: Tensor, views: int, temperature: float
) -> Tensor:
    """Cross-entropy at masked patches (Zhou et al. 2022).

    Args:
        student_logits: `[M, K]` at the masked patches, of the masked image.
        teacher_probs: `[M, K]` targets at the same patches, of the whole image.
        weights: `[M]` one over the number of masked patches in the same view.
        views: Number of views, with and without a mask.
        temperature: Student temperature.

    Returns:
        Scalar: mean over views of the mean over a view's masked patches.
    """
    log_probs = functional.log_softmax(student_logits.float() / temperature, dim=-1)
    entropy = -(teacher_probs.float() * log_probs).sum(dim=-1)  # [M]
    return (entropy * weights).sum() / views


def koleo_loss(features: Tensor, eps: float = 1e-8) -> Tensor:
    r"""Kozachenko-Leonenko entropy regulariser (Sablayrolles et al. 2019).

    $-\frac{1}{B}\sum_i \log \min_{j \ne i} \lVert x_i - x_j \rVert$ of the normalised features.
    The neighbour is sought on this rank only, as in DINOv2.

    Args:
        features: `[B, D]` one view of each crop: views of one crop must not repel each other.
        eps: Keeps the logarithm finite for duplicates.

    Returns:
        Scalar, 0 for fewer than two rows.
    """
    features = functional.normalize(features.float(), dim=-1, eps=eps)
    if len(features) < 2:
        return features.sum() * 0.0
    with torch.no_grad():
        similarity = features @ features.T  # [B, B]
        similarity.fill_diagonal_(-1.0)
        neighbour = similarity.argmax(dim=1)
    distance = functional.pairwise_distance(features, features[neighbour], eps=eps)
    return -torch.log(distance + eps).mean()
