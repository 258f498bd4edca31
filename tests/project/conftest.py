"""A model and a data source small enough to train in a second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from pytorch_lightning import Trainer, seed_everything

from project.data.augment import ViewKind
from project.data.datamodule import MultiCropData
from project.data.volumes import Volume
from project.dinov2.heads import ProjectionHead
from project.dinov2.model import SelfDistillation
from project.dinov2.module import DINOv2
from project.dinov2.objective import Objective
from project.dinov2.schedules import CosineSchedule
from project.dinov2.vit import VisionTransformer3D


class Blobs(MultiCropData):
    """Two smooth random volumes with tissue maps."""

    def training_volumes(self) -> Sequence[Volume]:
        rng = np.random.default_rng(0)
        return [_blob(rng), _blob(rng)]


def _blob(rng: np.random.Generator) -> Volume:
    coarse = rng.random((4, 4, 4))
    image = np.kron(coarse, np.ones((8, 8, 8))).astype(np.float32)
    return Volume(image, np.stack([image < 0.33, image > 0.67]).astype(np.float32))


@pytest.fixture
def make_data() -> Callable[..., Blobs]:
    """Build the data source; keywords override."""

    def make(**options: Any) -> Blobs:
        small: dict[str, Any] = {
            "batch_size": 4,
            "batches_per_epoch": 3,
            "crop_size": 20,
            "patch_size": 8,
            "global_views": ViewKind(2, 16, (0.5, 1.0)),
            "local_views": ViewKind(3, 8, (0.1, 0.5)),
            "seed": 0,
        }
        return Blobs(**{**small, **options})

    return make


@pytest.fixture
def make_model() -> Callable[..., SelfDistillation]:
    """Build networks with 16 channels, 2 blocks, 12 DINO and 10 iBOT prototypes."""

    def make(**options: Any) -> SelfDistillation:
        seed_everything(0)
        backbone = VisionTransformer3D(
            **{"image_size": 16, "embed_dim": 16, "depth": 2, "num_heads": 2, **options}
        )
        return SelfDistillation(
            backbone, ProjectionHead(16, 16, 8, 12), ProjectionHead(16, 16, 8, 10)
        )

    return make


@pytest.fixture
def make_module(make_model: Callable[..., SelfDistillation]) -> Callable[..., DINOv2]:
    """Build the LightningModule; keywords override."""

    def make(centering: str = "sinkhorn", **options: Any) -> DINOv2:
        schedules: dict[str, Any] = {
            "lr": CosineSchedule(2e-3, 1e-5, warmup=0.1),
            "weight_decay": CosineSchedule(0.04, 0.4),
            "teacher_momentum": CosineSchedule(0.9, 1.0),
            "teacher_temperature": CosineSchedule(0.07, 0.07, start=0.04, warmup=0.3),
        }
        objective = Objective((12, 10), centering=centering, head_koleo_weight=0.5)
        return DINOv2(make_model(), objective, **{**schedules, **options})

    return make


@pytest.fixture
def make_trainer(tmp_path: Any) -> Callable[..., Trainer]:
    """Build a silent CPU trainer; keywords override."""

    def make(**options: Any) -> Trainer:
        quiet: dict[str, Any] = {
            "accelerator": "cpu",
            "devices": 1,
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "default_root_dir": tmp_path,
            "log_every_n_steps": 1,
        }
        return Trainer(**{**quiet, **options})

    return make
