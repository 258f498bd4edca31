"""A small model of patches, and held-out images, that callbacks of fixed samples are tried with."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from gramscope.events.matrix import Matrix, read_matrix
from tests.support import trainer

EDGES = (6, 9, 12)
GRID = (2, 3, 4)
"""Of cubes of 3 points."""


class Images(Dataset[dict[str, Any]]):
    """Random volumes, each with an id and a label."""

    def __init__(self, count: int = 24, seed: int = 1) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.volumes = torch.randn(count, 1, *EDGES, generator=generator)

    def __len__(self) -> int:
        return len(self.volumes)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"image": self.volumes[index], "id": f"case {index}", "label": index % 3}


class PatchNet(nn.Module):
    """A class token and two registers before the patches of a volume."""

    def __init__(self, dim: int = 8) -> None:
        super().__init__()
        self.embed = nn.Linear(27, dim)
        self.block = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, dim), nn.Dropout(0.3))
        self.registers = nn.Parameter(torch.randn(2, dim), requires_grad=False)

    def forward(self, volumes: Tensor) -> dict[str, Tensor]:
        cubes = volumes.unfold(2, 3, 3).unfold(3, 3, 3).unfold(4, 3, 3)  # [N, 1, d, h, w, 3, 3, 3]
        raw = self.embed(cubes.reshape(len(volumes), -1, 27))
        patches = raw + self.block(raw)
        token = patches.mean(1)
        registers = self.registers.expand(len(volumes), -1, -1)
        everything = torch.cat([token[:, None], registers, patches], dim=1)
        return {"token": token, "patches": patches, "all": everything, "raw": raw}


class PatchSSL(pl.LightningModule):
    """Trains it on batches that are dictionaries; given held-out data if asked."""

    def __init__(self, *, dim: int = 8, held_out: Any = None, lr: float = 0.02) -> None:
        super().__init__()
        self.lr = lr
        self.model = PatchNet(dim)
        self.losses: list[float] = []
        if held_out is not None:
            self.val_dataloader = lambda: held_out  # type: ignore[method-assign]

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss = (self.model(batch["image"])["token"] - 1).square().mean()
        self.losses.append(loss.item())
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None: ...

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(self.parameters(), lr=self.lr)

    def train_dataloader(self) -> Any:
        return DataLoader(Images(64, seed=2), batch_size=8)


def held_out(count: int = 24) -> Any:
    """Batches of volumes that are not trained on."""
    return DataLoader(Images(count), batch_size=5)


def fit(
    directory: Path, *callbacks: Any, steps: int = 7, resume: Any = None, **options: Any
) -> PatchSSL:
    """One training, of which every second step leaves a checkpoint."""
    pl.seed_everything(3)
    module = PatchSSL(**{"held_out": held_out(), **options})
    checkpoint = ModelCheckpoint(directory / "ckpt", save_top_k=-1, every_n_train_steps=2)
    run = trainer(directory, [*callbacks, checkpoint], max_steps=steps, enable_checkpointing=True)
    run.fit(module, ckpt_path=resume)
    return module


class Unhurried(pl.Callback):
    """Waits until all events so far are on disk, as if steps took their time."""

    def __init__(self, pictures: Path, every: int) -> None:
        self._pictures, self._every = pictures, every

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        due = 1 + trainer.global_step // self._every
        deadline = time.monotonic() + 30
        while len([*self._pictures.glob("*.npz")]) < due and time.monotonic() < deadline:
            time.sleep(0.01)


def matrix(directory: Path, log_key: str, step: int) -> Matrix:
    """That of one event."""
    return read_matrix(directory / log_key / f"step_{step:08d}.npz")
