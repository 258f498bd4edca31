"""What is trained while the callbacks watch: a stand-in of chosen length, and a small 3D ViT."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from _features import features
from torch import Tensor, nn

__all__ = ["FEATURE_KEY", "Batches", "StandIn", "VolumeViT", "Watched"]

FEATURE_KEY = "teacher_cls_token"
_EDGE = 32  # of a volume


class Batches:
    """Batches in memory, over and over: loading costs nothing.

    Args:
        batches: Them.
    """

    def __init__(self, batches: Sequence[Tensor]) -> None:
        self._batches = batches

    def __iter__(self) -> Iterator[Tensor]:
        while True:
            yield from self._batches


class Timed(nn.Module):
    """A model that knows how long its forward took, hooks on it not included."""

    forward_s = 0.0

    def forward(self, batch: Tensor) -> dict[str, Tensor]:
        """Give loss and features.

        Args:
            batch: What the loader gave.
        """
        start = time.perf_counter()
        outputs = self.outputs(batch)
        self.forward_s = time.perf_counter() - start
        return outputs

    def outputs(self, batch: Tensor) -> dict[str, Tensor]:
        """What `forward` gives.

        Args:
            batch: What the loader gave.
        """
        raise NotImplementedError


class Watched(pl.LightningModule):
    """Trains a model and notes what calling it took beside its own forward.

    Args:
        model: The model.
        loader: Its batches.
        busy_until_s: Seconds that a step takes at least, spent on matrix products.
    """

    def __init__(self, model: Timed, loader: Batches, busy_until_s: float = 0.0) -> None:
        super().__init__()
        self.model = model
        self.call_s = 0.0
        """Of the latest call: time beside the forward, which is what forward hooks take."""
        self._loader = loader
        self._busy_until_s = busy_until_s
        self._work = torch.randn(256, 256)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """Call the model, and be busy.

        Args:
            batch: What the loader gave.
            batch_idx: Its index.
        """
        start = time.perf_counter()
        outputs = self.model(batch)
        self.call_s = time.perf_counter() - start - self.model.forward_s
        while time.perf_counter() - start < self._busy_until_s:
            torch.mm(self._work, self._work)
        loss: Tensor = outputs["loss"]
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW, as usual."""
        return torch.optim.AdamW(self.parameters(), lr=1e-4)

    def train_dataloader(self) -> Any:
        """The batches."""
        return self._loader


class StandIn(Timed):
    """Returns features of any shape, freshly written to memory, and learns one number.

    Args:
        n: Rows.
        dim: Columns.
    """

    def __init__(self, n: int, dim: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        looks = ("clusters", "near collapse")
        self._pool = [features(n, dim, look) for look in looks]
        self._next = 0

    def outputs(self, batch: Tensor) -> dict[str, Tensor]:
        """Features of alternating look.

        Args:
            batch: Ignored.
        """
        self._next += 1
        rows = self._pool[self._next % len(self._pool)] * self.scale  # [N, D]
        return {"loss": self.scale.square(), FEATURE_KEY: rows}


class VolumeViT(Timed):
    """A small vision transformer on volumes, with dropout.

    Args:
        dim: Columns of its features.
        width: Of its tokens.
        depth: Number of its blocks.
        patch: Edge of its patches.
    """

    def __init__(self, dim: int, width: int = 96, depth: int = 3, patch: int = 16) -> None:
        super().__init__()
        self.patches = nn.Conv3d(1, width, patch, patch)
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.randn(1, 1 + (_EDGE // patch) ** 3, width) * 0.02)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 4, 4 * width, 0.1, batch_first=True, norm_first=True)
            for _ in range(depth)
        )
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, dim))

    def outputs(self, batch: Tensor) -> dict[str, Tensor]:
        """Encode volumes.

        Args:
            batch: ``[N, 1, 32, 32, 32]``.
        """
        tokens = self.patches(batch).flatten(2).transpose(1, 2)  # [N, P, width]
        tokens = torch.cat([self.cls.expand(len(batch), -1, -1), tokens], dim=1) + self.positions
        for block in self.blocks:
            tokens = block(tokens)
        rows = self.head(tokens[:, 0])  # [N, D]
        return {"loss": (rows - rows.mean(0).detach()).square().mean(), FEATURE_KEY: rows}

    @staticmethod
    def batches(n: int, count: int = 4) -> Batches:
        """Volumes of noise.

        Args:
            n: In a batch.
            count: Batches.
        """
        generator = torch.Generator().manual_seed(0)
        shape = (n, 1, _EDGE, _EDGE, _EDGE)
        return Batches([torch.randn(shape, generator=generator) for _ in range(count)])
