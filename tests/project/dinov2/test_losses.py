"""Losses against closed forms and plain loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from project.dinov2.losses import dino_loss, ibot_loss, koleo_loss


def test_dino_loss_is_the_mean_cross_entropy_over_pairs_of_different_views() -> None:
    torch.manual_seed(0)
    student, teacher = torch.randn(5, 3, 7), torch.randn(2, 3, 7).softmax(-1)

    expected = torch.stack(
        [
            functional.cross_entropy(student[s] / 0.1, teacher[t])
            for t in range(2)
            for s in range(5)
            if s != t
        ]
    ).mean()

    torch.testing.assert_close(dino_loss(student, teacher, 0.1), expected)


def test_dino_loss_without_local_views() -> None:
    teacher = torch.randn(2, 3, 7).softmax(-1)
    uniform = torch.zeros(2, 3, 7)

    assert dino_loss(uniform, teacher, 0.1).item() == pytest.approx(math.log(7), rel=1e-5)


def test_ibot_loss_weighs_views_alike_whatever_their_number_of_masked_patches() -> None:
    torch.manual_seed(0)
    student, teacher = torch.randn(4, 5), torch.randn(4, 5).softmax(-1)
    weights = torch.tensor([1 / 3, 1 / 3, 1 / 3, 1.0])

    rows = functional.cross_entropy(student / 0.1, teacher, reduction="none")
    expected = (rows[:3].mean() + rows[3]) / 4  # 4 views, 2 of them masked

    torch.testing.assert_close(ibot_loss(student, teacher, weights, 4, 0.1), expected)


def test_ibot_loss_without_masked_patches_is_zero() -> None:
    loss = ibot_loss(torch.zeros(0, 5), torch.zeros(0, 5), torch.zeros(0), 4, 0.1)

    assert loss.item() == 0.0


def test_koleo_of_orthogonal_rows() -> None:
    loss = koleo_loss(5.0 * torch.eye(4))

    assert loss.item() == pytest.approx(-math.log(math.sqrt(2)), abs=1e-5)


def test_koleo_pushes_neighbours_apart() -> None:
    angles = torch.tensor([0.0, 0.1, 2.0], requires_grad=True)
    koleo_loss(torch.stack([angles.cos(), angles.sin()], dim=1)).backward()

    assert angles.grad is not None
    assert angles.grad[0] > 0 > angles.grad[1]


@pytest.mark.parametrize("rows", [0, 1])
def test_koleo_of_too_few_rows_is_zero(rows: int) -> None:
    assert koleo_loss(torch.ones(rows, 3)).item() == 0.0


def test_koleo_of_duplicates_is_finite() -> None:
    features = torch.ones(3, 4, requires_grad=True)
    koleo_loss(features).backward()

    assert features.grad is not None
    assert torch.isfinite(features.grad).all()
