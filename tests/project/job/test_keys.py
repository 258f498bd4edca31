"""A key that nobody reads ends the job before it begins."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from project.job.keys import KeyCheck
from project.train import CONFIG_DIR


def composed(*overrides: str) -> DictConfig:
    with initialize_config_dir(str(CONFIG_DIR), version_base="1.3"):
        return compose("train", [*overrides], return_hydra_config=True)


def start(*overrides: str) -> None:
    KeyCheck().on_run_start(composed(*overrides))


@pytest.mark.parametrize(
    ("written", "key", "meant"),
    [
        ("+callback=gram_teacher", "callback", "+callbacks=gram_teacher"),
        ("+callbak.gram.max_samples=3", "callbak", "+callbacks.gram.max_samples=3"),
        ("+gramscop=teacher", "gramscop", "+gramscope=teacher"),
        ("+loger=csv", "loger", "logger=csv"),
        ("++experiments=gram_all", "experiments", "experiment=gram_all"),
        ("+seeds=3", "seeds", "seed=3"),
    ],
)
def test_a_misspelt_key_is_refused(written: str, key: str, meant: str) -> None:
    with pytest.raises(SystemExit) as refused:
        start(written)

    assert str(refused.value) == f"The job has no key `{key}`. Did you mean `{meant}`?"


def test_a_misspelt_key_that_is_swept_is_refused() -> None:
    config = composed()
    config.hydra.overrides.task = ["+callback=gram,gram_student"]

    with pytest.raises(SystemExit, match=r"mean `\+callbacks=gram,gram_student`"):
        KeyCheck().on_multirun_start(config)


def test_a_misspelt_key_of_an_experiment_is_refused(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    text = "# @package _global_\ncallback: {gram: {max_samples: 3}}"
    (tmp_path / "experiment" / "mine.yaml").write_text(text)

    with pytest.raises(SystemExit, match=r"no key `callback`\. Did you mean `callbacks`"):
        start(f"hydra.searchpath=[file://{tmp_path}]", "experiment=mine")


@pytest.mark.parametrize(
    "override", ["+width=3", "+gramscope@watch=teacher", "experiment=gram_all", "~seed", "+train=1"]
)
def test_other_keys_are_somebody_s_own(override: str) -> None:
    start(override)
