"""The film of fixed samples in what each logger stored."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import wandb
from mlflow import MlflowClient
from pytorch_lightning.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger, WandbLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gramscope import GramPatchCallback, GramProbeCallback
from tests.gramscope.callbacks.probed import PatchSSL, held_out
from tests.support import trainer, wandb_images

KEYS = ("gram_probe", "gram_patch")


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")  # of MLflow
def test_every_logger_of_pictures_has_a_film_that_grows(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'ml.db'}"
    loggers = [
        WandbLogger(offline=True, save_dir=str(tmp_path), project="test"),
        TensorBoardLogger(tmp_path / "tb"),
        MLFlowLogger("test", tracking_uri=database, artifact_location=str(tmp_path / "ml")),
        CSVLogger(tmp_path / "csv"),
    ]
    callbacks = [
        GramProbeCallback(2, "token", 9, input_key="image"),
        GramPatchCallback(2, "patches", 4, class_key="token", input_key="image"),
    ]
    pl.seed_everything(0)

    trainer(tmp_path, callbacks, logger=loggers, max_steps=4).fit(PatchSSL(held_out=held_out()))
    wandb.finish()

    (board_dir,) = (tmp_path / "tb").glob("**/version_0")
    board = EventAccumulator(str(board_dir), size_guidance={"images": 0})
    board.Reload()
    for key in KEYS:
        kept = wandb_images(tmp_path, f"{key}/film")
        assert [*kept] == [2, 4]
        assert _width(kept[4].read_bytes()) > _width(kept[2].read_bytes())  # one frame more
        assert [image.step for image in board.Images(f"{key}/film")] == [2, 4]
        assert [image.step for image in board.Images(key)] == [0, 2, 4]
    run_id = loggers[2].run_id
    client = MlflowClient(database)
    images = [artifact.path for artifact in client.list_artifacts(run_id, "images")]
    assert {key for key in KEYS if any(key in p and "film" in p for p in images)} == {*KEYS}
    rows = (tmp_path / "csv").glob("**/metrics.csv")
    steps = np.genfromtxt(next(rows), delimiter=",", names=True)["step"]
    assert len(steps) == 6  # two callbacks' events and no rows of films


def _width(png: bytes) -> int:
    return int(struct.unpack(">I", png[16:20])[0])
