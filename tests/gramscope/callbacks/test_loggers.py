"""Every event is found again in what each logger stored, at its own step."""

from __future__ import annotations

import csv
import logging
import os
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
import wandb
from mlflow import MlflowClient
from pytorch_lightning.callbacks import LearningRateMonitor
from pytorch_lightning.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger, WandbLogger
from wandb.sdk.wandb_run import Run

from gramscope.callbacks import GramMatrixCallback, MonitorProgressBar, RepresentationMonitor
from gramscope.diagnosis import STATES
from tests.support import (
    TinySSL,
    ValidatedSSL,
    events,
    resume,
    trainer,
    wandb_alerts,
    wandb_history,
    wandb_images,
)


def offline_wandb(directory: Path) -> WandbLogger:
    return WandbLogger(offline=True, save_dir=str(directory), project="test")


@pytest.mark.parametrize("accumulate", [1, 3])
def test_wandb_holds_every_event_however_much_else_is_logged(
    tmp_path: Path, accumulate: int
) -> None:
    callback = GramMatrixCallback(5)
    fit = trainer(
        tmp_path,
        [LearningRateMonitor("step"), callback],
        logger=offline_wandb(tmp_path),
        max_steps=23,
        val_check_interval=4,
        accumulate_grad_batches=accumulate,
    )

    fit.fit(ValidatedSSL(batches=80))
    wandb.finish()

    assert callback.outcomes == {"logged": 4}
    images = wandb_images(tmp_path, "gram_matrix")
    assert sorted(images) == [5, 10, 15, 20]
    assert all(matplotlib.image.imread(path).shape[:2] == (540, 640) for path in images.values())
    scalars = {
        row["trainer/global_step"]: row
        for row in wandb_history(tmp_path)
        if "representation/offdiag_mean" in row
    }
    assert sorted(scalars) == [5, 10, 15, 20]
    assert {k for k in scalars[20] if k.startswith("representation/")} == {
        f"representation/{name}" for name in (*callback.latest, "diagnosis")
    }
    assert {"offdiag_mean", "nonfinite_rows", "effective_rank"} <= callback.latest.keys()


class Collapses(TinySSL):
    """Shows features that are one point at steps 3 to 5, and NaN at step 7."""

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> Any:
        features = torch.randn(16, 32)
        features[:] = {2: 1.0, 3: 1.0, 4: 1.0, 6: np.nan}.get(batch_idx, features)
        return {"loss": super().training_step(batch, batch_idx), "f": features}


def code_by_step(rows: list[dict[str, Any]]) -> dict[int, int]:
    key = "representation/diagnosis"
    return {int(r["trainer/global_step"]): int(r[key]) for r in rows if key in r}


@pytest.mark.parametrize("alert", [True, False])
def test_wandb_has_the_state_of_every_event_and_an_alert_where_one_begins(
    tmp_path: Path, alert: bool
) -> None:
    callback = GramMatrixCallback(
        8,
        "f",
        metrics_every_n_steps=1,
        alert=alert,
        thresholds={"confirm_events": 1, "clear_events": 1},
        save_dir=tmp_path / "gram",
        max_pending=100,
    )

    trainer(tmp_path, [callback], logger=offline_wandb(tmp_path), max_steps=9).fit(Collapses())
    wandb.finish()

    of_events = {event["step"]: event for event in events(tmp_path / "gram")}
    codes = {step: STATES[event["diagnosis"]].code for step, event in of_events.items()}
    assert code_by_step(wandb_history(tmp_path)) == codes
    assert codes[3] == STATES["complete_collapse"].code
    assert codes[7] == STATES["non_finite"].code
    begun = [e for e in of_events.values() if e["change"] and STATES[e["diagnosis"]].alarm]
    expected = [(f"f: {STATES[e['diagnosis']].title}", e["change"]["text"], "WARN") for e in begun]
    assert wandb_alerts(tmp_path) == (expected if alert else [])
    assert {event["step"] for event in begun} >= {3, 7}


def test_an_alert_that_fails_costs_neither_the_run_nor_the_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route to host")

    logger = offline_wandb(tmp_path)
    monkeypatch.setattr(Run, "alert", fail)
    callback = GramMatrixCallback(1, "f", thresholds={"confirm_events": 1}, max_pending=100)

    trainer(tmp_path, [callback], logger=logger, max_steps=4).fit(Collapses())
    wandb.finish()

    assert callback.outcomes == {"logged": 4}
    assert "no route to host" in caplog.text


def test_several_callbacks_tell_their_keys_apart(tmp_path: Path) -> None:
    callbacks = [
        GramMatrixCallback(4),
        GramMatrixCallback(6, "student_cls_token"),
        GramMatrixCallback(6, "teacher_cls_token_backbone", log_key="backbone"),
    ]

    trainer(tmp_path, callbacks, logger=offline_wandb(tmp_path)).fit(TinySSL())
    wandb.finish()

    assert sorted(wandb_images(tmp_path, "gram_matrix/teacher_cls_token")) == [4, 8, 12]
    assert sorted(wandb_images(tmp_path, "gram_matrix/student_cls_token")) == [6, 12]
    assert sorted(wandb_images(tmp_path, "backbone")) == [6, 12]
    assert not wandb_images(tmp_path, "gram_matrix")
    keys = {key for row in wandb_history(tmp_path) for key in row}
    assert "representation/teacher_cls_token/offdiag_std" in keys
    assert "representation/student_cls_token/offdiag_std" in keys
    assert "representation/offdiag_std" not in keys


def test_one_feature_watched_twice_has_two_names_and_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callbacks = [GramMatrixCallback(4, max_samples=n, save_dir=tmp_path / "g") for n in (2, 4)]

    with caplog.at_level(logging.WARNING, "gramscope.callbacks"):
        trainer(tmp_path, callbacks).fit(TinySSL())

    assert "told apart as gram_matrix/teacher_cls_token, gram_matrix/teacher_cls_token.2" in (
        caplog.text
    )

    assert sorted(p.name for p in (tmp_path / "g").iterdir() if p.is_dir()) == [
        "gram_matrix.teacher_cls_token",
        "gram_matrix.teacher_cls_token.2",
    ]


def test_tensorboard_holds_every_event(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    callback = GramMatrixCallback(4)
    logger = TensorBoardLogger(str(tmp_path))

    trainer(tmp_path, [callback], logger=logger).fit(TinySSL())

    stored = EventAccumulator(logger.log_dir).Reload()
    assert [event.step for event in stored.Images("gram_matrix")] == [4, 8, 12]
    assert all((e.width, e.height) == (640, 540) for e in stored.Images("gram_matrix"))
    assert [e.step for e in stored.Scalars("representation/offdiag_mean")] == [4, 8, 12]


def layouts(log_dir: str) -> list[dict[str, dict[str, str]]]:
    """The pages of custom scalars that a run has been given: the pattern of each chart."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

    stored = EventAccumulator(log_dir).Reload()
    if "custom_scalars__config__" not in stored.Tags()["tensors"]:
        return []
    found = [
        Layout.FromString(event.tensor_proto.string_val[0])
        for event in stored.Tensors("custom_scalars__config__")
    ]
    return [
        {part.title: {c.title: c.multiline.tag[0] for c in part.chart} for part in page.category}
        for page in found
    ]


def test_tensorboard_has_a_chart_of_every_number_of_all_callbacks(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    callbacks = [
        GramMatrixCallback(4, metrics=["spread", "offdiag_mean"]),
        GramMatrixCallback(6, "student_cls_token", metrics=["effective_rank"]),
        RepresentationMonitor(
            6, {"a": "teacher_cls_token", "b": "student_cls_token"}, metrics="gram"
        ),
    ]
    logger = TensorBoardLogger(str(tmp_path), prefix="of-mine")

    trainer(tmp_path, callbacks, logger=logger).fit(TinySSL())

    tags = EventAccumulator(logger.log_dir).Reload().Tags()["scalars"]
    ours = {tag for tag in tags if "representation/" in tag}
    assert {f"of-mine-representation/{key}" for key in ("a/offdiag_std", "diagnosis")} <= ours
    page = layouts(logger.log_dir)[-1]
    assert next(iter(page)) == "representation"
    assert {"offdiag_mean", "effective_rank", "diagnosis"} <= page["representation"].keys()
    assert page["representation: directions in use"].keys() >= {"spread", "effective_rank"}
    assert "representation: views" not in page
    of_charts = {title: tag for part in page.values() for title, tag in part.items()}
    shown = {title: {t for t in tags if re.match(tag, t)} for title, tag in of_charts.items()}
    assert set.union(*shown.values()) == ours
    assert all(tag.endswith(f"/{title}") for title, found in shown.items() for tag in found)
    assert len(shown["effective_rank"]) == 1
    assert len(shown["offdiag_mean"]) == 3


@pytest.mark.parametrize("again", [False, True], ids=["the program's own", "a resumed run's"])
def test_a_layout_that_a_run_has_already_is_let_be(tmp_path: Path, again: bool) -> None:
    logger = TensorBoardLogger(str(tmp_path), version="one")
    if again:
        trainer(tmp_path, [GramMatrixCallback(4)], logger=logger).fit(TinySSL())
    else:
        logger.experiment.add_custom_scalars({"mine": {"loss": ["Multiline", ["train/loss"]]}})
    logger.experiment.flush()
    before = layouts(logger.log_dir)
    assert len(before) == 1

    later = TensorBoardLogger(str(tmp_path), version="one")
    callback = GramMatrixCallback(4)
    trainer(tmp_path, [callback], logger=later).fit(TinySSL())

    assert callback.outcomes == {"logged": 3}
    assert layouts(logger.log_dir) == before


of_mlflow = pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader strategy is deprecated",  # MLflow's own, of its sqlite store
    "ignore:The filesystem tracking backend",  # MLflow prefers sqlite
)


@pytest.mark.slow
@of_mlflow
@pytest.mark.parametrize(
    ("store", "matrix"),
    [("sqlite:///{}/ml.db", True), ("file://{}/runs", False)],
    ids=["sqlite, with matrices", "file"],
)
def test_mlflow_holds_every_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str, matrix: bool
) -> None:
    threads: list[threading.Thread] = []
    log_image = MlflowClient.log_image

    def noting_threads(*arguments: Any, **keywords: Any) -> None:
        threads.append(threading.current_thread())
        log_image(*arguments, **keywords)

    monkeypatch.setattr(MlflowClient, "log_image", noting_threads)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    callback = GramMatrixCallback(4, save_dir=tmp_path / "gram", log_matrix=matrix)
    logger = MLFlowLogger(
        tracking_uri=store.format(tmp_path), artifact_location=str(tmp_path / "artifacts")
    )

    trainer(tmp_path, [callback], logger=logger).fit(TinySSL())

    assert len(threads) == 3
    assert threading.main_thread() not in threads  # 0.1 s for each picture

    history = logger.experiment.get_metric_history(logger.run_id, "representation/offdiag_mean")
    assert [m.step for m in history] == [4, 8, 12]
    pictures = [p.name for p in tmp_path.glob("artifacts/**/images/gram_matrix*.png")]
    steps = re.findall(r"\bstep[+%](\d+)", " ".join(pictures))
    assert sorted(map(int, steps)) == [4, 8, 12]
    matrices = sorted(tmp_path.glob("artifacts/**/matrices/gram_matrix/*"))
    kept = sorted((tmp_path / "gram/gram_matrix").glob("*.npz"))
    assert [(m.name, m.read_bytes()) for m in matrices] == [
        (k.name, k.read_bytes()) for k in (kept if matrix else [])
    ]


@of_mlflow
def test_pictures_that_mlflow_cannot_store_cost_neither_numbers_nor_other_loggers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "artifacts").write_text("in the way of a directory")
    callback = GramMatrixCallback(4, save_dir=tmp_path / "gram", log_matrix=True)
    logger = MLFlowLogger(
        tracking_uri=f"sqlite:///{tmp_path}/ml.db", artifact_location=str(tmp_path / "artifacts")
    )

    with caplog.at_level(logging.WARNING, "gramscope"):
        trainer(tmp_path, [callback], logger=[logger, Unheard(str(tmp_path))]).fit(TinySSL())

    assert callback.outcomes == {"logged": 3}
    assert {event["reason"] for event in events(tmp_path / "gram")} == {
        "publish_failed: MLFlowLogger"
    }
    assert "MLFlowLogger failed with" in caplog.text
    history = logger.experiment.get_metric_history(logger.run_id, "representation/offdiag_mean")
    assert [m.step for m in history] == [4, 8, 12]
    assert len(list(tmp_path.glob("gram_matrix-*.png"))) == 3


@pytest.mark.slow
@of_mlflow
def test_an_mlflow_that_does_not_answer_holds_nothing_up_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    monkeypatch.setattr(MlflowClient, "log_image", lambda *_, **__: answers.wait(60))
    callback = GramMatrixCallback(4, timeout_s=4.0)  # within which a picture has to be drawn too
    logger = MLFlowLogger(tracking_uri=f"sqlite:///{tmp_path}/ml.db")
    fit = trainer(tmp_path, [callback], logger=logger)

    try:
        fit.fit(TinySSL())
        assert not answers.is_set()
        assert fit.global_step == 12
        assert sum(callback.outcomes.values()) == 3
        assert callback.outcomes["shutdown"] > 0
    finally:
        answers.set()


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch")
def test_a_resumed_run_logs_the_rest_at_its_own_steps(tmp_path: Path) -> None:
    for part, (steps, checkpoint) in enumerate([(7, None), (16, str(tmp_path / "last.ckpt"))]):
        directory = tmp_path / str(part)
        directory.mkdir()  # old W&B makes none
        logger = WandbLogger(offline=True, save_dir=str(directory), project="test", id="one")
        callbacks = [LearningRateMonitor("step"), GramMatrixCallback(4)]
        fit = trainer(tmp_path, callbacks, logger=logger, max_steps=steps, val_check_interval=3)
        resume(fit, ValidatedSSL(), checkpoint)
        fit.save_checkpoint(tmp_path / "last.ckpt")
        wandb.finish()

    found = [sorted(wandb_images(tmp_path / str(part), "gram_matrix")) for part in range(2)]
    assert found == [[4], [8, 12, 16]]


def test_without_a_logger_for_images_they_go_to_disk_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callback = GramMatrixCallback(4)
    logger = CSVLogger(str(tmp_path))

    with caplog.at_level(logging.WARNING, "gramscope"):
        trainer(tmp_path, [callback], logger=logger).fit(TinySSL())

    (warning,) = [r.getMessage() for r in caplog.records if r.name.startswith("gramscope")]
    assert "None of the trainer's loggers takes images" in warning
    pictures = Path(logger.log_dir) / "gram" / "gram_matrix"
    assert callback.pictures == [str(pictures)]
    assert sorted(p.name for p in pictures.glob("*.png")) == [
        f"step_{step:08d}.png" for step in (4, 8, 12)
    ]
    with (Path(logger.log_dir) / "metrics.csv").open() as f:
        rows = [row for row in csv.DictReader(f) if row["representation/offdiag_mean"]]
    assert [int(row["step"]) for row in rows] == [4, 8, 12]


@pytest.mark.parametrize("root", ["memory://bucket/run", "file:///nowhere/run"])
def test_a_root_that_is_not_on_this_machine_makes_no_directory_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, root: str
) -> None:
    monkeypatch.chdir(tmp_path)
    callback = GramMatrixCallback(4)

    with caplog.at_level(logging.WARNING, "gramscope"):
        trainer(tmp_path, [callback], default_root_dir=root).fit(TinySSL())

    (warning,) = [r.getMessage() for r in caplog.records]
    assert "is not on this machine" in warning
    assert f"so gram_matrix goes to {tmp_path / 'gram'}" in warning
    assert list(tmp_path.iterdir()) == [tmp_path / "gram"]
    assert callback.pictures == [str(tmp_path / "gram/gram_matrix")]


class ChangesDirectory(pl.Callback):
    """Leaves the working directory at the second step."""

    def on_train_batch_start(self, trainer: Any, *args: Any) -> None:
        if trainer.global_step == 1:
            os.chdir("elsewhere")


@pytest.mark.parametrize("save_dir", ["runs/gram", None])
def test_files_stay_where_the_working_directory_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save_dir: str | None
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    callback = GramMatrixCallback(4, save_dir=save_dir)

    run = trainer(tmp_path, [callback, ChangesDirectory()], default_root_dir="runs")
    run.fit(TinySSL())

    assert len(events(tmp_path / "runs/gram")) == 3
    assert callback.pictures == [str(tmp_path / "runs/gram/gram_matrix")]
    assert list((tmp_path / "elsewhere").iterdir()) == []


class Unheard(CSVLogger):
    """A logger that nobody has heard of; it keeps pictures as files."""

    def log_image(self, key: str, images: list[Any], step: int | None = None) -> None:
        for image in images:
            path = Path(self.save_dir) / f"{key}-{step}.png"
            shutil.copy(image, path) if isinstance(image, str) else image.save(path)


class Stepless(Unheard):
    """Knows of no steps, and counts pictures."""

    taken = 0

    def log_image(self, key: str, images: list[Any]) -> None:  # type: ignore[override]
        self.taken += 4
        super().log_image(key, images, self.taken)


@pytest.mark.parametrize("kind", [Unheard, Stepless])
@pytest.mark.parametrize("kept", [True, False], ids=["kept", "not kept"])
def test_a_logger_nobody_has_heard_of_gets_pictures_by_its_log_image(
    tmp_path: Path, kind: type[Unheard], kept: bool
) -> None:
    callback = GramMatrixCallback(4, save_dir=tmp_path / "gram" if kept else None)
    logger = kind(str(tmp_path))

    trainer(tmp_path, [callback], logger=logger).fit(TinySSL())

    assert callback.outcomes == {"logged": 3}
    found = {p.name: matplotlib.image.imread(p).shape[:2] for p in tmp_path.glob("*.png")}
    assert found == {f"gram_matrix-{step}.png": (540, 640) for step in (4, 8, 12)}
    assert (tmp_path / "gram").exists() == kept
    with (Path(logger.log_dir) / "metrics.csv").open() as f:
        rows = [row for row in csv.DictReader(f) if row["representation/offdiag_mean"]]
    assert [int(row["step"]) for row in rows] == [4, 8, 12]


class OfOneImage(CSVLogger):
    """Its `log_image` is another thing."""

    def log_image(self, image: Any, name: str = "") -> None:
        raise AssertionError("this is not how it was called")


def test_a_log_image_that_wants_something_else_is_not_called(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callback = GramMatrixCallback(4)

    trainer(tmp_path, [callback], logger=OfOneImage(str(tmp_path))).fit(TinySSL())

    assert callback.outcomes == {"logged": 3}
    assert "None of the trainer's loggers takes images" in caplog.text
    assert len([*Path(callback.pictures[0]).glob("*.png")]) == 3


class Refuses(Unheard):
    """Takes no picture."""

    def log_image(self, key: str, images: list[Any], step: int | None = None) -> None:
        raise TypeError("no images here")


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "not kept"])
def test_a_picture_that_a_logger_refuses_is_counted_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kept: bool
) -> None:
    callback = GramMatrixCallback(4, save_dir=tmp_path / "gram" if kept else None)
    fit = trainer(tmp_path, [callback], logger=Refuses(str(tmp_path)))

    fit.fit(TinySSL())

    assert fit.global_step == 12
    assert callback.outcomes == {"logged" if kept else "not_taken": 3}
    assert caplog.text.count("Refuses failed with TypeError('no images here') at step 4") == 1
    if kept:
        assert "(publish_failed: Refuses 3)" in callback.summary
        assert {event["reason"] for event in events(tmp_path / "gram")} == {
            "publish_failed: Refuses"
        }


class FailingLogger(CSVLogger):
    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        if any(key.startswith("representation/") for key in metrics):
            raise ConnectionError("no route to host")
        super().log_metrics(metrics, step)


def test_a_logger_that_raises_costs_neither_the_run_nor_the_other_loggers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callback = GramMatrixCallback(4, save_dir=tmp_path / "gram")
    loggers = [FailingLogger(str(tmp_path / "a")), TensorBoardLogger(str(tmp_path / "b"))]

    with caplog.at_level(logging.WARNING, "gramscope"):
        fit = trainer(tmp_path, [callback], logger=loggers)
        fit.fit(TinySSL())

    assert fit.global_step == 12
    assert callback.outcomes == {"logged": 3}
    (warning,) = [r.getMessage() for r in caplog.records if r.name.startswith("gramscope")]
    assert "FailingLogger failed with ConnectionError('no route to host') at step 4" in warning
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    stored = EventAccumulator(loggers[1].log_dir).Reload()
    assert len(stored.Images("gram_matrix")) == 3


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [("WANDB_MODE", "offline", 3), ("WANDB_MODE", "disabled", 0), ("WANDB_DISABLED", "true", 0)],
)
def test_the_environment_decides_what_wandb_gets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: int
) -> None:
    monkeypatch.setenv(variable, value)
    wandb.teardown()  # it reads the environment once in the life of its service
    alerts: list[str] = []
    monkeypatch.setattr(Run, "alert", lambda *_, title, **__: alerts.append(title))
    callback = GramMatrixCallback(
        4, "f", metrics_every_n_steps=1, thresholds={"confirm_events": 1}, max_pending=100
    )
    logger = WandbLogger(save_dir=str(tmp_path), project="test")

    trainer(tmp_path, [callback], logger=logger).fit(Collapses())
    wandb.finish()
    wandb.teardown()

    assert (3, "complete_collapse") in callback.diagnoses
    assert ("f: complete collapse" in alerts) == (expected > 0)
    assert len(list(tmp_path.glob("**/media/images/gram_matrix*.png"))) == expected


def test_what_is_saved_is_the_matrix_and_its_origin(tmp_path: Path) -> None:
    callback = GramMatrixCallback(6, max_samples=4, save_dir=tmp_path / "gram")

    trainer(tmp_path, [callback]).fit(TinySSL())

    with np.load(tmp_path / "gram/gram_matrix/step_00000012.npz") as saved:
        gram = saved["gram"]
        assert gram.dtype == np.float32
        np.testing.assert_allclose(np.diag(gram), 1.0, atol=1e-6)
        assert saved["rank"].tolist() == [0] * 4
        assert saved["index"].tolist() == [0, 2, 4, 6]
        assert saved["spectrum"].shape == (4,)
    off = gram[~np.eye(4, dtype=bool)].astype(np.float64)
    assert callback.latest["offdiag_mean"] == pytest.approx(off.mean(), abs=1e-6)


def test_the_progress_bar_shows_the_latest_number(tmp_path: Path) -> None:
    callback = GramMatrixCallback(4, save_dir=tmp_path / "gram")
    bar = MonitorProgressBar()
    fit = trainer(tmp_path, [callback, bar], enable_progress_bar=True)

    fit.fit(TinySSL())

    shown = bar.get_metrics(fit, fit.lightning_module)
    assert shown["offdiag_mean"] == round(callback.latest["offdiag_mean"], 3)
    assert "v_num" not in shown
    assert torch.is_grad_enabled()


class TwoOptimizers(TinySSL):
    """Makes two optimizer steps with each batch, and logs its loss once."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD(self.parameters(), lr=0.01) for _ in range(2)]

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        for optimizer in self.optimizers():  # type: ignore[union-attr]
            loss = super().training_step(batch, batch_idx)
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()


def test_several_optimizers_share_one_axis_with_the_losses(tmp_path: Path) -> None:
    callback = GramMatrixCallback(4, save_dir=tmp_path / "gram")
    logger = CSVLogger(str(tmp_path))

    trainer(tmp_path, [callback], logger=logger, max_steps=24).fit(TwoOptimizers())

    with (Path(logger.log_dir) / "metrics.csv").open() as f:
        rows = list(csv.DictReader(f))
    seen = [int(row["step"]) for row in rows if row["representation/offdiag_mean"]]
    assert seen == [2, 4, 6, 8, 10, 12]  # batches, as Lightning counts them
    assert max(int(row["step"]) for row in rows if row["train/loss"]) == 11
    assert callback.last_step == 24
