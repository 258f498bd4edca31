"""What W&B shows of a run beside curves, read from the record that an offline run leaves."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import wandb
from pytorch_lightning.loggers import WandbLogger

from gramscope.callbacks import GramMatrixCallback, RepresentationMonitor
from gramscope.callbacks.loggers.to_wandb import artifact_name
from tests.support import TinySSL, events, trainer, wandb_history, wandb_records

AXIS = "trainer/global_step"


class Narrows(TinySSL):
    """Shows features that all but lie on a line at steps 5 to 7."""

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> Any:
        features = torch.randn(16, 32)
        if batch_idx in (4, 5, 6):
            features = features[:, :1] * torch.ones(32) + 0.01 * features
        return {"loss": super().training_step(batch, batch_idx), "f": features}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An offline run of 12 steps with events on disk beside it, in ``gram``."""
    directory = tmp_path_factory.mktemp("wandb")
    settings = {"log_matrix": True, "metrics_every_n_steps": 1, "max_pending": 100}
    callback = GramMatrixCallback(4, "f", save_dir=directory / "gram", **settings)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("WANDB_DATA_DIR", str(directory / "data"))
        logger = WandbLogger(offline=True, save_dir=str(directory), project="test", id="one")
        trainer(directory, [callback], logger=logger).fit(Narrows())
        wandb.finish()
    assert callback.outcomes == {"logged": 12}
    return directory


def test_a_picture_s_caption_says_what_it_is_of(run: Path) -> None:
    of_events = {event["step"]: event for event in events(run / "gram")}
    captions = {r[AXIS]: r["gram_matrix"]["caption"] for r in pictures(run)}

    assert sorted(captions) == [4, 8, 12]
    for step, caption in captions.items():
        numbers = of_events[step]["metrics"]
        state = of_events[step]["diagnosis"].replace("_", " ")
        assert caption.startswith(f"f, step {step}, N = 16, {state}: offdiag_mean ")
        assert f"effective_rank {numbers['effective_rank']:.1f} of 15" in caption


def test_the_summary_has_the_last_and_the_worst_of_every_number(run: Path) -> None:
    found: dict[str, Any] = {}
    for record in wandb_records(run, "summary"):
        found |= {i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in record.update}
    rows = [event["metrics"] for event in events(run / "gram")]

    for name, worst in {"effective_rank": min, "offdiag_mean": max}.items():
        values = [row[name] for row in rows]
        assert worst(values) != values[-1]
        expected = {worst.__name__: worst(values), "last": values[-1]}
        assert found[f"representation/{name}"] == pytest.approx(expected)
    assert found["representation/offdiag_std"].keys() == {"min", "max", "last"}
    assert found["representation/rank_ceiling"] == 15


def test_every_file_that_the_record_names_is_there(run: Path) -> None:
    (files,) = run.glob("**/offline-run-*/files")

    named = [f.path for record in wandb_records(run, "files") for f in record.files]
    assert named
    assert all((files / path).is_file() for path in named)
    for row in pictures(run):
        picture = row["gram_matrix"]
        content = (files / picture["path"]).read_bytes()
        assert len(content) == picture["size"]
        assert hashlib.sha256(content).hexdigest() == picture["sha256"]
    for artifact in wandb_records(run, "artifact"):
        for entry in artifact.manifest.contents:
            content = Path(entry.local_path).read_bytes()
            assert len(content) == entry.size
            assert hashlib.md5(content).digest() == base64.b64decode(entry.digest)


def test_each_matrix_is_a_version_of_the_run_s_artifact(run: Path) -> None:
    artifacts = wandb_records(run, "artifact")

    assert [(a.name, a.type) for a in artifacts] == [("gram_matrix-one", "gram_matrix")] * 3
    for step, artifact in zip((4, 8, 12), artifacts, strict=True):
        assert set(artifact.aliases) == {"latest", f"step-{step}"}
        assert json.loads(artifact.metadata) == {"step": step, "n": 16, "world_size": 1}
        (entry,) = artifact.manifest.contents
        assert entry.path == f"step_{step:08d}.npz"
        kept = run / "gram" / "gram_matrix" / entry.path
        assert Path(entry.local_path).read_bytes() == kept.read_bytes()
        with np.load(entry.local_path) as matrix:
            assert matrix["gram"].shape == (16, 16)


def test_our_keys_have_lightning_s_axis_in_a_run_that_the_program_started(tmp_path: Path) -> None:
    started = wandb.init(mode="offline", dir=str(tmp_path), project="test")
    logger = WandbLogger(experiment=started, prefix="probe")
    callbacks = [
        GramMatrixCallback(4),
        RepresentationMonitor(4, {"a": "student_cls_token"}, metrics="gram"),
        GramMatrixCallback(4, name="a*b", log_key="of_a_star"),  # of which W&B wants no definition
    ]

    trainer(tmp_path, callbacks, logger=logger).fit(TinySSL())
    wandb.finish()

    rows = wandb_history(tmp_path)
    starred = [row[AXIS] for row in rows if "probe-representation/a*b/offdiag_mean" in row]
    assert starred == [4, 8, 12]
    logged = {key for row in rows for key in row if key.startswith("probe-") and "*" not in key}
    ours = {key for key in logged if "representation/" in key or "gram_matri" in key}
    axes = {m.name: m.step_metric for m in wandb_records(tmp_path, "metric") if not m.glob_name}
    assert {"probe-gram_matrix", "probe-representation/teacher_cls_token/spread"} <= ours
    assert "probe-representation/a/offdiag_mean" in ours
    assert {axes.get(key) for key in ours} == {AXIS}
    assert not wandb_records(tmp_path, "artifact")


def test_an_artifact_s_name_is_one_that_wandb_takes() -> None:
    assert artifact_name("gram/a b:ü", "r1") == "gram.a.b..-r1"
    assert len(artifact_name("x" * 1000, "r1")) == 128
    assert wandb.Artifact(artifact_name("x" * 1000, "r1"), type="t").name == "x" * 125 + "-r1"


def pictures(directory: Path) -> list[dict[str, Any]]:
    return [row for row in wandb_history(directory) if "gram_matrix" in row]
