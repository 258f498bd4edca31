"""A training that goes on otherwise from some step on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from project.dinov2.late import LateChange
from project.train import CONFIG_DIR
from tests.foreign.planning import SMALL


def module() -> Any:
    with initialize_config_dir(version_base="1.3", config_dir=str(CONFIG_DIR)):
        cfg = compose("train", overrides=["output_dir=.", *SMALL.split()])
    return instantiate(cfg.model)


def test_weights_and_schedules_are_others_from_the_step_on() -> None:
    late = LateChange(3, objective={"ibot_weight": 0.0}, schedules={"weight_decay": 15.0})
    model: Any = module()
    trainer: Any = SimpleNamespace(global_step=2)

    late.on_train_batch_start(trainer, model, None, 0)
    assert (model.objective.ibot_weight, model.weight_decay.base) == (1.0, 0.04)
    trainer.global_step = 4  # as after a resume
    late.on_train_batch_start(trainer, model, None, 0)

    assert model.objective.ibot_weight == 0.0
    assert [model.weight_decay(step, 100) for step in (0, 50, 99)] == [15.0] * 3


def test_what_there_is_not_is_named() -> None:
    trainer: Any = SimpleNamespace(global_step=9)

    with pytest.raises(ValueError, match="`ibot` to be one of Objective's"):
        LateChange(1, objective={"ibot": 0.0}).on_train_batch_start(trainer, module(), None, 0)
    with pytest.raises(ValueError, match="`step` to be at least 1"):
        LateChange(0)
