"""A teacher and a student."""

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class RandomData(pl.LightningDataModule):
    def __init__(self, batch_size: int, dim: int) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)

    def train_dataloader(self) -> DataLoader[Any]:
        vectors = torch.randn(100 * self.hparams.batch_size, self.hparams.dim)
        return DataLoader(TensorDataset(vectors), self.hparams.batch_size)


class SSLModule(pl.LightningModule):
    """The LightningModule itself returns the features."""

    def __init__(self, dim: int, width: int, optimizer: Any) -> None:
        super().__init__()
        # Hydra 1.4's partials cannot be pickled.
        self.save_hyperparameters(logger=False, ignore=["optimizer"])
        self.make_optimizer = optimizer
        self.student = nn.Linear(dim, width)
        self.teacher = nn.Linear(dim, width).requires_grad_(False)
        self.head = nn.Linear(width, width)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        student, teacher = self.student(x), self.teacher(x)
        outputs = {}
        for name, features in (
            ("student", student),
            ("student_glob", student),
            ("teacher", teacher),
        ):
            outputs[f"{name}_cls_token"] = self.head(features)
            outputs[f"{name}_cls_token_backbone"] = features
        return outputs

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        outputs = self(batch[0])
        loss = nn.functional.mse_loss(
            outputs["student_cls_token"], outputs["teacher_cls_token"].detach()
        )
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.make_optimizer(params=self.parameters())
