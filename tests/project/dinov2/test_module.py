"""Training: steps, schedules, accumulation, resuming, and that it learns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from project.data.augment import ViewKind
from project.data.datamodule import MNI152, MultiCropData
from project.dinov2.module import DINOv2
from project.dinov2.objective import Assignment, Objective
from project.dinov2.schedules import CosineSchedule
from project.dinov2.targets import SinkhornKnopp

MakeData = Callable[..., MultiCropData]
MakeModule = Callable[..., DINOv2]
MakeTrainer = Callable[..., Trainer]

# Loader processes would cost these tests more than they save.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    # Lightning's own: these data have none that is not trained on.
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no"),
]


class Recorder(Callback):
    """Loss, forward passes and learning rates of every batch."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.forwards = 0
        self.group_lrs: list[list[float]] = []

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        pl_module.model.register_forward_hook(self._count)

    def _count(self, *_: Any) -> None:
        self.forwards += 1

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self.losses.append(outputs["loss"].item())
        self.group_lrs.append([group["lr"] for group in trainer.optimizers[0].param_groups])


def _state(module: DINOv2) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def test_one_forward_per_batch_and_parts_are_logged(
    make_data: MakeData, make_module: MakeModule, make_trainer: MakeTrainer
) -> None:
    recorder = Recorder()
    trainer = make_trainer(max_steps=4, callbacks=[recorder])
    trainer.fit(make_module(), make_data())
    logged = trainer.callback_metrics

    assert recorder.forwards == 4
    total = logged["train/dino"] + logged["train/ibot"]
    total += 0.1 * logged["train/koleo"] + 0.5 * logged["train/head_koleo"]
    torch.testing.assert_close(logged["train/loss"], total)
    assert {key for key in logged if key.startswith("schedule/")} == {
        "schedule/lr",
        "schedule/weight_decay",
        "schedule/teacher_momentum",
        "schedule/teacher_temperature",
    }


def test_teacher_moves_once_per_optimizer_step_under_accumulation(
    make_data: MakeData, make_module: MakeModule, make_trainer: MakeTrainer
) -> None:
    module = make_module(teacher_momentum=CosineSchedule(0.9, 0.9))
    moves: list[float] = []
    update = module.model.update_teacher

    def watched(momentum: float) -> None:
        expected = [
            momentum * t + (1 - momentum) * s
            for t, s in zip(
                module.model.teacher.parameters(), module.model.student.parameters(), strict=True
            )
        ]
        update(momentum)
        torch.testing.assert_close(list(module.model.teacher.parameters()), expected)
        moves.append(momentum)

    module.model.update_teacher = watched
    recorder = Recorder()
    trainer = make_trainer(max_steps=3, accumulate_grad_batches=2, callbacks=[recorder])
    trainer.fit(module, make_data(batches_per_epoch=6))

    assert moves == [0.9] * 3
    assert recorder.forwards == 6


def test_prototypes_are_frozen_at_first_and_the_rest_is_not(
    make_data: MakeData, make_module: MakeModule, make_trainer: MakeTrainer
) -> None:
    module = make_module(freeze_last_layer=0.5, lr=CosineSchedule(1e-2, 1e-2))
    prototypes = module.model.student.dino_head.last_layer.weight
    patch_embed = module.model.student.backbone.patch_embed.weight
    before = prototypes.clone(), patch_embed.clone()
    seen: list[bool] = []

    class Watch(Callback):
        def on_train_batch_end(self, *_: Any) -> None:
            seen.append(torch.equal(prototypes, before[0]))

    make_trainer(max_steps=4, callbacks=[Watch()]).fit(module, make_data(batches_per_epoch=4))

    assert seen == [True, True, False, False]
    assert not torch.equal(patch_embed, before[1])


def test_learning_rates_follow_the_schedule_by_optimizer_step(
    make_data: MakeData, make_module: MakeModule, make_trainer: MakeTrainer
) -> None:
    schedule = CosineSchedule(1e-2, 0.0)
    recorder = Recorder()
    trainer = make_trainer(max_steps=3, accumulate_grad_batches=2, callbacks=[recorder])
    trainer.fit(
        make_module(lr=schedule, freeze_last_layer=0.0, layer_decay=1.0, patch_embed_lr=1.0),
        make_data(batches_per_epoch=6),
    )

    assert [lrs[0] for lrs in recorder.group_lrs[1::2]] == pytest.approx(
        [schedule(step, 3) for step in range(3)]
    )


@pytest.mark.parametrize("centering", ["sinkhorn", "centering"])
@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
@pytest.mark.parametrize("batches_per_epoch", [4, 5, 100], ids=["at_end", "across", "within"])
def test_resuming_equals_not_having_stopped(
    make_data: MakeData,
    make_module: MakeModule,
    make_trainer: MakeTrainer,
    tmp_path: Path,
    centering: str,
    batches_per_epoch: int,
) -> None:
    def fit(**options: Any) -> tuple[list[float], dict[str, Tensor]]:
        recorder = Recorder()
        checkpoint = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=4, save_top_k=-1)
        trainer = make_trainer(
            max_steps=8,
            max_epochs=-1,
            enable_checkpointing=True,
            callbacks=[recorder, checkpoint],
        )
        module = make_module(centering)
        trainer.fit(module, make_data(batches_per_epoch=batches_per_epoch), **options)
        return recorder.losses, _state(module)

    losses, state = fit()
    rest, resumed = fit(ckpt_path=tmp_path / "step=4.ckpt")

    assert rest == losses[4:]
    assert all(torch.equal(state[name], resumed[name]) for name in state)


def test_the_same_seed_gives_the_same_training(
    make_data: MakeData, make_module: MakeModule, make_trainer: MakeTrainer
) -> None:
    def losses() -> list[float]:
        recorder = Recorder()
        make_trainer(max_steps=3, callbacks=[recorder]).fit(make_module(), make_data())
        return recorder.losses

    assert losses() == losses()


@pytest.mark.slow
@pytest.mark.parametrize("centering", ["sinkhorn", "centering"])
def test_on_the_brain_the_loss_falls_and_features_do_not_collapse(
    make_module: MakeModule, make_trainer: MakeTrainer, centering: str
) -> None:
    recorder = Recorder()
    module = make_module(
        centering,
        teacher_momentum=CosineSchedule(0.98, 1.0),
        teacher_temperature=CosineSchedule(0.03, 0.03),
        layer_decay=1.0,
        patch_embed_lr=1.0,
    )
    data = MNI152(
        batch_size=16,
        crop_size=32,
        global_views=ViewKind(2, 16, (0.4, 1.0)),
        local_views=ViewKind(2, 8, (0.1, 0.4)),
        seed=0,
    )
    make_trainer(max_steps=80, callbacks=[recorder], gradient_clip_val=3.0).fit(module, data)
    with torch.no_grad():
        tokens = module(next(iter(data.train_dataloader())))["teacher_cls_token_backbone"]
    tokens = functional.normalize(tokens, dim=1)
    similarity = tokens @ tokens.T

    # With centring the loss first rises: it is lowest while the centre still lets all rows agree.
    if centering == "sinkhorn":
        assert sum(recorder.losses[-10:]) < 0.9 * sum(recorder.losses[:10])
    assert similarity[~torch.eye(len(tokens), dtype=torch.bool)].mean() < 0.9


def test_bf16_autocast(
    make_data: MakeData, make_module: MakeModule, make_trainer: MakeTrainer
) -> None:
    recorder = Recorder()
    trainer = make_trainer(max_steps=2, precision="bf16-mixed", callbacks=[recorder])
    trainer.fit(make_module(), make_data())

    assert all(torch.isfinite(torch.tensor(recorder.losses)))


def test_a_training_without_an_end_is_refused(
    make_data: MakeData, make_module: MakeModule, make_trainer: MakeTrainer
) -> None:
    with pytest.raises(ValueError, match="max_steps"):
        make_trainer(max_steps=-1, max_epochs=-1).fit(make_module(), make_data())


def test_an_unknown_centering_is_named() -> None:
    with pytest.raises(ValueError, match="centering"):
        Objective((12, 10), centering="none")


class NoOperation(TorchDispatchMode):
    """Refuses whatever computes, draws, copies or waits for a device."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> NoReturn:
        raise AssertionError(f"{func} was called")


class Ask(Callback):
    """Asks about the loss at the start of each batch, as a monitor does, and copies the centre."""

    def __init__(self) -> None:
        self.answers: list[Assignment] = []

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, DINOv2)
        with NoOperation():
            assert pl_module.feature_views(batch)
            said = pl_module.dino_assignment(batch)
        if said["center"] is not None:
            assert said["center"] is pl_module.objective.dino_targets.center
            said["center"] = said["center"].clone()
        self.answers.append(said)


@pytest.mark.parametrize("local", [3, 0])
@pytest.mark.parametrize("centering", ["sinkhorn", "centering"])
def test_what_the_module_says_of_the_dino_loss_is_what_the_loss_does(
    make_data: MakeData,
    make_module: MakeModule,
    make_trainer: MakeTrainer,
    centering: str,
    local: int,
) -> None:
    module, ask = make_module(centering), Ask()
    outputs: list[dict[str, Tensor]] = []
    module.model.register_forward_hook(lambda _, __, output: outputs.append(output))
    calls: list[tuple[tuple[Tensor, float], Tensor]] = []
    module.objective.dino_targets.register_forward_hook(lambda _, *call: calls.append(call))
    data = make_data(local_views=ViewKind(local, 8, (0.1, 0.5)))

    make_trainer(max_steps=3, callbacks=[ask]).fit(module, data)

    assert len(ask.answers) == 3
    for said, output, ((logits, temperature), targets) in zip(
        ask.answers, outputs, calls, strict=True
    ):
        teacher, student = output[said["teacher"]], output[said["student"]]
        assert logits is teacher
        assert torch.equal(student, output["student_cls_token"][: len(teacher)])
        assert said["teacher_temperature"] == temperature
        assert said["student_temperature"] == module.objective.student_temperature
        assert (said["center"] is None) == (centering == "sinkhorn")
        if said["center"] is not None:
            assert said["sinkhorn_iterations"] is None
            expected = torch.softmax((teacher - said["center"]) / temperature, dim=-1)
        else:
            expected = SinkhornKnopp(said["sinkhorn_iterations"])(teacher, temperature)
        torch.testing.assert_close(targets, expected)
