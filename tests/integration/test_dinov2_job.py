"""The bundled job itself, short: real anatomy, the real model, the shipped configuration."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from gramscope.callbacks import GramMatrixCallback, RepresentationMonitor
from gramscope.metrics import gram_matrix
from project.train import CONFIG_DIR
from tests.commands import Commands
from tests.foreign import planning
from tests.gramscope.callbacks.test_observer import assert_same
from tests.support import events, trainer, wandb_history, wandb_images

pytestmark = pytest.mark.slow


def parts(*overrides: str) -> tuple[Any, Any]:
    """The shipped data and model, at their defaults but for ``overrides``."""
    with initialize_config_dir(version_base="1.3", config_dir=str(CONFIG_DIR)):
        cfg = compose("train", overrides=["output_dir=.", *overrides])
    pl.seed_everything(cfg.seed, workers=True, verbose=False)
    return instantiate(cfg.data), instantiate(cfg.model)


def test_wandb_holds_one_picture_for_each_due_step(commands: Commands) -> None:
    done = commands.run(
        None,
        "scripts/train +callbacks=gram_teacher callbacks.gram_teacher.log_every_n_steps=2"
        " trainer.log_every_n_steps=1 trainer.max_steps=4"
        " callbacks.knn_probe=null callbacks.collapse_monitor.metrics_every_n_steps=2"
        " data.batch_size=4",
    )

    said = done.output
    images = wandb_images(done.directory, "gram_matrix")
    assert sorted(images) == [2, 4]
    assert all(path.stat().st_size > 10_000 for path in images.values())
    scalars = [
        row["trainer/global_step"]
        for row in wandb_history(done.directory)
        if "representation/offdiag_mean" in row
    ]
    assert scalars == [2, 4]
    assert "gram_matrix" in said
    assert "wandb sync" in said
    assert said.count("2 logged, 0 skipped") >= 2
    for feature in ("teacher head", "teacher backbone", "student head", "student backbone"):
        assert re.search(rf"{feature} +effective rank [\d.]+ of 7, views share -?[\d.]+", said)


def test_a_job_that_is_broken_on_purpose_is_named_and_ends(commands: Commands) -> None:
    done = commands.run(
        None,
        "scripts/train experiment=collapse_views data.batch_size=4 callbacks.knn_probe=null"
        " callbacks.collapse_monitor.metrics_every_n_steps=2"
        " callbacks.collapse_monitor.stop_on=[views_identical]",
    )

    (output,) = done.directory.glob("outputs/*/*")
    states = [e["diagnosis"] for e in events(output / "gram")]
    assert states[0] == "warming_up"
    assert states[-1] == "views_identical"
    assert re.search(r"stopped +after \d optimizer steps: views_identical", done.output)
    assert "Views of a sample are the same" in done.output
    assert list(output.glob("checkpoints/stopped_step_*.ckpt"))


def test_checkpoints_show_afterwards_what_the_job_saw_of_held_out_crops(
    commands: Commands,
) -> None:
    planned = planning.plan(
        "scripts/train experiment=patches callbacks.gram_probe.log_every_n_steps=1"
        " callbacks.gram_patch.log_every_n_steps=1 callbacks.checkpoint.every_n_train_steps=1"
        " callbacks.checkpoint.save_top_k=-1 data.held_out_crops=7"
    )
    assert planned is not None
    live, late = f"{planned[-1]} hydra.run.dir=live", f"{planned[-1]} hydra.run.dir=late"

    done = commands.run(None, live, f"{late} checkpoints=live/checkpoints")

    for where, steps in (("live", [0, 1, 2, 3]), ("late", [1, 2, 3])):
        found = [e for e in events(done.directory / where / "gram") if e["log_key"] == "gram_patch"]
        assert [e["step"] for e in found] == steps
        assert all(e["status"] == "logged" for e in found)
        kept = done.directory / where / "gram" / "gram_patch"
        assert (kept / "film.png").is_file()
        with np.load(kept / "step_00000003.npz") as saved:
            assert saved["image"].shape == (64, 64, 64)
            assert (saved["grid"].tolist(), int(saved["patch"])) == ([8, 8, 8], 5 * 64 + 4 * 8 + 1)
        assert "gram teacher" in (done.directory / where / "report.html").read_text()
    grams = [
        np.load(done.directory / w / "gram/gram_probe/step_00000002.npz")["gram"]
        for w in ("live", "late")
    ]
    np.testing.assert_array_equal(*grams)
    assert "3 checkpoints" in done.output
    assert re.search(r"gram teacher +step \d", done.output)  # as the last command says


def test_two_processes_show_one_matrix_over_both_ranks_samples(commands: Commands) -> None:
    planned = planning.plan(
        "scripts/train '+callbacks=[gram_teacher,gram_student]' trainer=ddp_cpu"
    )
    assert planned is not None

    done = commands.run(*planned)

    assert done.output.count("finished") == 1
    (output,) = done.directory.glob("outputs/*/*")
    found = [(e["log_key"], e["step"], e["n"], e["world_size"]) for e in events(output / "gram")]
    assert sorted(found) == [
        ("gram_matrix/student_cls_token", 2, 48, 2),  # 2 ranks, 4 crops, 6 views
        ("gram_matrix/teacher_cls_token", 1, 16, 2),  # 2 ranks, 4 crops, 2 global views
        ("gram_matrix/teacher_cls_token", 2, 16, 2),
        ("gram_matrix/teacher_cls_token", 3, 16, 2),
    ]
    # The teacher of the first step is the one that the seed makes, and so are both batches.
    data, model = parts("trainer=ddp_cpu", *shlex.split(planning.SMALL))
    data.setup("fit")
    stream = data.train_dataloader().dataset
    with np.load(output / "gram/gram_matrix.teacher_cls_token/step_00000001.npz") as saved:
        gram, rank = saved["gram"], saved["rank"]
    assert rank.tolist() == [0] * 8 + [1] * 8
    with torch.no_grad():
        rows = [
            model.model(stream.__getitems__(range(r, 8, 2)))["teacher_cls_token"] for r in range(2)
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

    given: dict[str, Any] = {"capture": capture, "save_dir": tmp_path / "gram"}
    callbacks: list[Any] = [
        GramMatrixCallback(1, **given),
        GramMatrixCallback(1, "student_cls_token", **given),
        RepresentationMonitor(2, metrics_every_n_steps=1, sample_id_key="sample_id", **given),
    ]

    alone, watched = run([]), run(callbacks)

    assert [c.outcomes for c in callbacks] == [{"logged": 3}] * 3
    assert "teacher_entropy" in callbacks[2].latest
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
