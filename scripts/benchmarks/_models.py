"""What is trained while callbacks watch: a stand-in for a model, and a small 3D ViT."""

import itertools
import time
from collections.abc import Iterable
from typing import Any

import pytorch_lightning as pl
import torch
from _features import features
from torch import Tensor, nn

FEATURE_KEY = "teacher_cls_token"
EDGE = 32  # of a volume


class Watched(pl.LightningModule):
    """Trains a model, for ``busy_until_s`` a step at least, and times what its hooks take."""

    def __init__(self, model: nn.Module, batches: Iterable[Tensor], busy_until_s: float = 0.0):
        super().__init__()
        self.model = model
        self.call_s = 0.0
        """Of the latest call: time beside the forward, which is what forward hooks take."""
        self._forward, model.forward = model.forward, self._timed
        self._batches = batches
        self._busy_until_s = busy_until_s
        self._work = torch.randn(256, 256)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        """Call the model, and be busy."""
        start = time.perf_counter()
        self.call_s = -start
        outputs = self.model(batch)
        self.call_s += time.perf_counter()
        while time.perf_counter() - start < self._busy_until_s:
            torch.mm(self._work, self._work)
        return outputs["loss"]

    def _timed(self, batch: Tensor) -> Any:
        self.call_s += time.perf_counter()
        outputs = self._forward(batch)
        self.call_s -= time.perf_counter()
        return outputs

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """AdamW, as usual."""
        return torch.optim.AdamW(self.parameters(), lr=1e-4)

    def train_dataloader(self) -> Any:
        """The batches, without end."""
        return itertools.cycle(self._batches)


class StandIn(nn.Module):
    """Returns ``[n, dim]`` features, freshly written to memory, and learns one number."""

    def __init__(self, n: int, dim: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self._pool = itertools.cycle([features(n, dim, x) for x in ("clusters", "near collapse")])

    def forward(self, batch: Tensor) -> dict[str, Tensor]:
        """Loss and features of alternating look, whatever the batch."""
        rows = next(self._pool) * self.scale  # [N, D]
        return {"loss": self.scale.square(), FEATURE_KEY: rows}


class VolumeViT(nn.Module):
    """A small vision transformer on volumes, with dropout; ``patch`` decides its cost."""

    def __init__(self, dim: int, depth: int = 3, patch: int = 16, width: int = 96) -> None:
        super().__init__()
        self.patches = nn.Conv3d(1, width, patch, patch)
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.randn(1, 1 + (EDGE // patch) ** 3, width) * 0.02)
        block = nn.TransformerEncoderLayer(
            width, 4, 4 * width, 0.1, batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(block, depth, enable_nested_tensor=False)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, dim))

    def forward(self, batch: Tensor) -> dict[str, Tensor]:
        """Loss and features of ``[N, 1, 32, 32, 32]`` volumes."""
        tokens = self.patches(batch).flatten(2).transpose(1, 2)  # [N, P, width]
        tokens = torch.cat([self.cls.expand(len(batch), -1, -1), tokens], dim=1) + self.positions
        rows = self.head(self.blocks(tokens)[:, 0])  # [N, D]
        return {"loss": (rows - rows.mean(0).detach()).square().mean(), FEATURE_KEY: rows}


def volumes(n: int, count: int = 4) -> list[Tensor]:
    """Batches of noise."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(n, 1, EDGE, EDGE, EDGE, generator=generator) for _ in range(count)]
