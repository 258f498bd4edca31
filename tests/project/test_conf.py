"""The data and model options of the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue

_CONF = Path(__file__).parents[2] / "conf"


def _compose(*overrides: str, hydra: bool = False) -> DictConfig:
    with initialize_config_dir(str(_CONF), version_base="1.3"):
        return compose("train", overrides=list(overrides), return_hydra_config=hydra)


@pytest.mark.parametrize("size", ["tiny", "small", "base"])
def test_every_size_builds(size: str) -> None:
    # On the meta device: only the shapes matter here.
    with torch.device("meta"):
        module = instantiate(
            _compose(f"model={size}", "model.model.dino_head.num_prototypes=16").model
        )

    backbone = module.model.student.backbone
    assert backbone.grid == 4
    assert len(backbone.blocks) == backbone.depth
    assert module.model.student.ibot_head.last_layer.weight.shape[0] == 16


def test_crop_and_patch_sizes_are_said_once() -> None:
    config = _compose("data.global_views.size=48", "model.model.backbone.patch_size=16")

    assert config.model.model.backbone.image_size == 48
    assert config.data.patch_size == 16
    assert instantiate(config.data).masks.grid == 3


def test_a_missing_root_is_named() -> None:
    with pytest.raises(MissingMandatoryValue, match=r"data\.root"):
        instantiate(_compose("data=nifti").data)


def test_a_root_that_does_not_exist_is_named() -> None:
    with pytest.raises(Exception, match=r"`data\.root`.*nowhere"):
        instantiate(_compose("data=nifti", "data.root=/nowhere").data)


@pytest.mark.parametrize("group", ["data", "model"])
def test_options_hold_no_unknown_reference(group: str) -> None:
    config = _compose()

    OmegaConf.to_container(config[group], resolve=True)


@pytest.mark.parametrize("experiment", ["optuna", "sweep_features", "sweep_koleo", "sweep_samples"])
def test_an_experiment_sweeps_what_the_job_has(experiment: str) -> None:
    config = _compose(f"experiment={experiment}", hydra=True)

    assert config.hydra.sweeper.params
    for key in config.hydra.sweeper.params:
        assert OmegaConf.select(config, key, throw_on_missing=True) is not None
