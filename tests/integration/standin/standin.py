"""A job small enough for tests: a linear encoder of random vectors, shaped like the bundled one."""

import os
import signal
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Encoder(nn.Module):
    """A mapping with the keys of the bundled model."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = nn.Linear(16, width)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map [N, 16] to features [N, width]."""
        features = self.layer(x)
        return {
            "teacher_cls_token": features,
            "student_cls_token": features.tanh(),
            "student_glob_cls_token": features.relu(),
        }


class Module(pl.LightningModule):
    """Learns to shrink its features; ends early the way it is told to."""

    def __init__(self, width: int = 8, lr: float = 0.1, end_at: int = -1, end_by: str = "") -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"Expected argument `width` to be at least 1 but got {width}.")
        self.save_hyperparameters()
        self.model = Encoder(width)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        """Return the loss."""
        if self.global_step == self.hparams["end_at"]:
            if self.hparams["end_by"] == "SIGINT":
                os.kill(os.getpid(), signal.SIGINT)
            else:
                raise RuntimeError("the module broke")
        loss = self.model(batch[0])["teacher_cls_token"].square().mean()
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain SGD."""
        return torch.optim.SGD(self.parameters(), lr=self.hparams["lr"])


class Data(pl.LightningDataModule):
    """Random vectors."""

    def __init__(self, n: int = 128, batch_size: int = 8, num_workers: int = 0) -> None:
        super().__init__()
        self.n = n
        self.loader: dict[str, Any] = {"batch_size": batch_size, "num_workers": num_workers}

    def train_dataloader(self) -> DataLoader:
        """Batches of [batch_size, 16]."""
        workers = self.loader["num_workers"] > 0
        vectors = torch.randn(self.n, 16, generator=torch.Generator().manual_seed(0))
        return DataLoader(TensorDataset(vectors), persistent_workers=workers, **self.loader)
