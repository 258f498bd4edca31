"""Networks: shapes, masks, the moving average, parameter groups."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from gramscope.config.views import views
from project.data.augment import ViewKind
from project.data.datamodule import MultiCropData
from project.dinov2.heads import ProjectionHead
from project.dinov2.model import SelfDistillation
from project.dinov2.param_groups import build_param_groups
from project.dinov2.vit import VisionTransformer3D

MakeModel = Callable[..., SelfDistillation]


@pytest.fixture
def batch(make_data: Callable[..., MultiCropData]) -> dict[str, torch.Tensor]:
    return next(iter(make_data().train_dataloader()))


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_outputs(make_model: MakeModel, batch: dict[str, torch.Tensor], training: bool) -> None:
    outputs = make_model().train(training)(batch)
    masked = int(batch["masks"].sum())

    assert {key: tuple(value.shape) for key, value in outputs.items()} == {
        "teacher_cls_token": (8, 12),
        "teacher_cls_token_backbone": (8, 16),
        "student_glob_cls_token": (8, 12),
        "student_glob_cls_token_backbone": (8, 16),
        "student_glob_cls_token_bottleneck": (8, 8),
        "student_cls_token": (20, 12),
        "student_cls_token_backbone": (20, 16),
        "teacher_patch_tokens": (masked, 10),
        "teacher_patch_tokens_backbone": (8, 8, 16),
        "student_patch_tokens": (masked, 10),
        "student_patch_tokens_backbone": (8, 8, 16),
        "mask": (8, 8),
    }
    assert not outputs["teacher_cls_token"].requires_grad
    assert outputs["student_cls_token"].requires_grad


def test_rows_are_view_major(make_model: MakeModel, batch: dict[str, torch.Tensor]) -> None:
    model = make_model()
    tokens = model(batch)["teacher_cls_token_backbone"]
    second_views = model.teacher.backbone(batch["global_crops"][:, 1]).cls

    torch.testing.assert_close(tokens[4:], second_views)


def test_no_local_views(make_model: MakeModel, batch: dict[str, torch.Tensor]) -> None:
    batch["local_crops"] = batch["local_crops"][:, :0]

    assert make_model()(batch)["student_cls_token"].shape == (8, 12)


@pytest.mark.parametrize(("count", "local"), [(2, 3), (2, 1), (2, 0), (3, 2), (1, 3), (1, 0)])
def test_declared_views_are_the_rows_that_a_crop_moves(
    make_model: MakeModel, make_data: Callable[..., MultiCropData], count: int, local: int
) -> None:
    kinds = ViewKind(count, 16, (0.5, 1.0)), ViewKind(local, 8, (0.1, 0.5))
    data = make_data(global_views=kinds[0], local_views=kinds[1])
    batch = next(iter(data.train_dataloader()))
    model = make_model()
    outputs = model(batch)

    declared = model.feature_views(batch)

    tokens = {key for key in outputs if "cls_token" in key}
    assert set(declared) == (tokens if count > 1 else set())
    for part in ("global_crops", "local_crops"):
        other = {**batch, part: batch[part].clone()}
        other[part][1] += torch.randn_like(other[part][1])
        moved = model(other)
        for key, given in declared.items():
            seen = views(key, given)
            assert seen is not None and seen.layout == "stacked"
            assert seen.count * len(batch["sample_id"]) == len(outputs[key])
            view, crop = _stacked(seen.count, len(batch["sample_id"]))
            of_part = (view < seen.comparable) == (part == "global_crops")
            same = torch.isclose(moved[key], outputs[key]).all(dim=1)
            assert torch.equal(~same, (crop == 1) & of_part), key


def _stacked(count: int, crops: int) -> tuple[torch.Tensor, torch.Tensor]:
    """View and crop of each row, all crops' first view first."""
    rows = torch.arange(count * crops)
    return rows // crops, rows % crops


def test_teacher_starts_as_the_student(make_model: MakeModel) -> None:
    model = make_model()
    images = torch.randn(2, 1, 16, 16, 16)

    torch.testing.assert_close(
        model.teacher.backbone(images).cls, model.student.backbone(images).cls
    )


def test_masked_patches_are_not_seen(make_model: MakeModel) -> None:
    backbone = make_model().student.backbone
    images = torch.randn(1, 1, 16, 16, 16)
    mask = torch.zeros(1, 8, dtype=torch.bool)
    mask[0, 7] = True  # The patch at the far corner.
    changed = images.clone()
    changed[..., 8:, 8:, 8:] += 1.0

    torch.testing.assert_close(backbone(images, mask).cls, backbone(changed, mask).cls)
    assert not torch.allclose(backbone(images).cls, backbone(changed).cls)


def test_patches_are_in_the_order_of_the_mask(make_model: MakeModel) -> None:
    backbone = make_model(depth=0).student.backbone
    images = torch.zeros(1, 1, 16, 16, 16)
    changed = images.clone()
    changed[..., 8:, :8, 8:] = torch.rand(8, 8, 8)
    difference = backbone(changed).patches - backbone(images).patches

    assert difference.abs().sum(-1).nonzero()[:, 1].tolist() == [5]  # 1·4 + 0·2 + 1


def test_teacher_moves_by_the_closed_form(make_model: MakeModel) -> None:
    model = make_model()
    with torch.no_grad():
        for parameter in model.student.parameters():
            parameter.add_(torch.randn_like(parameter))
    pairs = list(zip(model.teacher.parameters(), model.student.parameters(), strict=True))
    expected = [0.9 * t + 0.1 * s for t, s in pairs]
    model.update_teacher(0.9)

    torch.testing.assert_close([t for t, _ in pairs], expected)


def test_teacher_never_drops_paths(make_model: MakeModel) -> None:
    model = make_model(drop_path=0.9).train()
    images = torch.randn(2, 1, 16, 16, 16)

    assert torch.equal(model.teacher.backbone(images).cls, model.teacher.backbone(images).cls)
    assert not torch.equal(model.student.backbone(images).cls, model.student.backbone(images).cls)


def test_logits_are_cosines() -> None:
    logits = ProjectionHead(16, 32, 8, 12)(torch.randn(5, 16))

    assert logits.abs().max() <= 1.0 + 1e-6


def test_a_head_of_any_width_passes_on_as_much() -> None:
    features = torch.randn(64, 128)

    lengths = [
        ProjectionHead(128, hidden, 64, 16).mlp(features).norm(dim=-1).mean()
        for hidden in (64, 2048)
    ]

    assert 0.5 < lengths[0] / lengths[1] < 2.0


def test_an_image_size_that_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match="image_size"):
        VisionTransformer3D(image_size=20, patch_size=8)


def test_every_student_parameter_is_in_one_group_and_no_teacher_parameter(
    make_model: MakeModel,
) -> None:
    model = make_model(layer_scale=1e-5)
    groups = build_param_groups(model, layer_decay=0.5, patch_embed_lr=0.2)
    grouped = [id(p) for group in groups for p in group["params"]]

    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(p) for p in model.student.parameters()}


def test_only_matrices_decay(make_model: MakeModel) -> None:
    model = make_model(layer_scale=1e-5)
    names = {id(p): name for name, p in model.student.named_parameters()}
    groups = build_param_groups(model, layer_decay=0.5, patch_embed_lr=0.2)
    decays = {names[id(p)]: g["weight_decay_scale"] for g in groups for p in g["params"]}

    for name, decay in decays.items():
        plain = any(w in name for w in ("bias", "norm", "gamma", "token", "position"))
        assert decay == (0.0 if plain else 1.0), name


def test_learning_rates_fall_towards_the_input(make_model: MakeModel) -> None:
    model = make_model()
    names = {id(p): name for name, p in model.student.named_parameters()}
    groups = build_param_groups(model, layer_decay=0.5, patch_embed_lr=0.2)
    scales = {names[id(p)]: g["lr_scale"] for g in groups for p in g["params"]}

    assert scales["dino_head.last_layer.weight"] == scales["backbone.norm.weight"] == 1.0
    assert scales["backbone.blocks.1.mlp.linear1.weight"] == 0.5
    assert scales["backbone.blocks.0.mlp.linear1.weight"] == 0.25
    assert scales["backbone.cls_token"] == 0.125
    assert scales["backbone.patch_embed.weight"] == pytest.approx(0.025)
