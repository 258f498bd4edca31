"""The bundled job itself, short: real anatomy, the real model, the shipped configuration."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from gramscope.callbacks import GramMatrixCallback
from gramscope.metrics import gram_matrix
from project.train import CONFIG_DIR
from tests.gramscope.callbacks.test_observer import assert_same
from tests.support import events, trainer, wandb_history, wandb_images

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


def job(directory: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    """Run the training command in ``directory``, its output below ``run``."""
    done = subprocess.run(
        [sys.executable, "-m", "project.train", "hydra.run.dir=run", *overrides],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def parts(*overrides: str) -> tuple[Any, Any]:
    """The shipped data and model, at their defaults but for ``overrides``."""
    with initialize_config_dir(version_base="1.3", config_dir=str(CONFIG_DIR)):
        cfg = compose("train", overrides=["output_dir=.", *overrides])
    pl.seed_everything(cfg.seed, workers=True, verbose=False)
    return instantiate(cfg.data), instantiate(cfg.model)


SMALL = ("data.batch_size=8", "trainer.max_steps=6")


def test_wandb_holds_one_picture_for_each_due_step(tmp_path: Path) -> None:
    done = job(
        tmp_path,
        "+callbacks=gram_teacher",
        "callbacks.gram_teacher.log_every_n_steps=2",
        "trainer.log_every_n_steps=1",
        "callbacks.knn_probe=null",
        *SMALL,
    )

    images = wandb_images(tmp_path, "gram_matrix")
    assert sorted(images) == [2, 4, 6]
    assert all(path.stat().st_size > 10_000 for path in images.values())
    scalars = [
        row["trainer/global_step"]
        for row in wandb_history(tmp_path)
        if "representation/offdiag_mean" in row
    ]
    assert scalars == [2, 4, 6]
    assert "gram_matrix" in done.stdout
    assert "wandb sync" in done.stdout
    assert "3 logged, 0 skipped" in done.stdout


def test_two_processes_show_one_matrix_over_both_ranks_samples(tmp_path: Path) -> None:
    job(
        tmp_path,
        "+callbacks=[gram_teacher,gram_student]",
        "callbacks.gram_teacher.log_every_n_steps=1",
        "callbacks.gram_student.log_every_n_steps=2",
        "trainer=ddp_cpu",
        "callbacks.knn_probe=null",
        "logger=csv",
        "data.batch_size=8",
        "trainer.max_steps=2",
    )

    found = [
        (e["log_key"], e["step"], e["n"], e["world_size"]) for e in events(tmp_path / "run/gram")
    ]
    assert sorted(found) == [
        ("gram_matrix/student_cls_token", 2, 96, 2),  # 2 ranks, 8 crops, 6 views
        ("gram_matrix/teacher_cls_token", 1, 32, 2),  # 2 ranks, 8 crops, 2 global views
        ("gram_matrix/teacher_cls_token", 2, 32, 2),
    ]
    # The teacher of the first step is the one that the seed makes, and so are both batches.
    data, model = parts("data.batch_size=8", "trainer=ddp_cpu")
    data.setup("fit")
    stream = data.train_dataloader().dataset
    with np.load(tmp_path / "run/gram/gram_matrix.teacher_cls_token/step_00000001.npz") as saved:
        gram, rank = saved["gram"], saved["rank"]
    assert rank.tolist() == [0] * 16 + [1] * 16
    with torch.no_grad():
        rows = [
            model.model(stream.__getitems__(range(r, 16, 2)))["teacher_cls_token"] for r in range(2)
        ]
    expected = gram_matrix(torch.cat(rows)).numpy()
    np.testing.assert_allclose(gram, expected, atol=1e-4)


@pytest.mark.parametrize("capture", ["auto", "extra_forward"])
def test_the_job_is_the_same_to_the_last_bit_when_it_is_watched(
    tmp_path: Path, capture: str
) -> None:
    def run(callbacks: list[Any]) -> dict[str, Any]:
        data, model = parts("data.batch_size=4")
        fit = trainer(tmp_path, callbacks, max_steps=3, gradient_clip_val=3.0)
        fit.fit(model, datamodule=data)
        return {
            "weights": model.state_dict(),
            "optimizer": fit.optimizers[0].state_dict(),
            "generator": torch.get_rng_state(),
            "loss": fit.callback_metrics["train/loss"],
        }

    callbacks = [
        GramMatrixCallback(1, key, capture=capture, save_dir=tmp_path / "gram")
        for key in ("teacher_cls_token", "student_cls_token_backbone")
    ]

    alone, watched = run([]), run(callbacks)

    assert [c.outcomes for c in callbacks] == [{"logged": 3}] * 2
    assert_same(alone, watched)


def test_every_feature_of_the_contract_can_be_watched(tmp_path: Path) -> None:
    names = ("teacher_cls_token", "student_cls_token", "student_glob_cls_token")
    keys = [name + suffix for name in names for suffix in ("", "_backbone")]
    data, model = parts("data.batch_size=4")

    callbacks = [GramMatrixCallback(1, key, save_dir=tmp_path / "gram") for key in keys]
    trainer(tmp_path, list(callbacks), max_steps=1).fit(model, datamodule=data)

    assert {e["feature_key"]: e["n"] for e in events(tmp_path / "gram")} == {
        key: (24 if key.startswith("student_cls") else 8) for key in keys
    }
    assert json.dumps([c.outcomes for c in callbacks]) == json.dumps([{"logged": 1}] * 6)
