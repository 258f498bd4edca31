"""A model for either copy of Lightning; which, whoever imports this decides."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["QUIET", "model"]

QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "max_steps": 6,
    "logger": False,
    "enable_checkpointing": False,
    "enable_model_summary": False,
}


def model(lightning: Any) -> type[Any]:
    """Make a LightningModule's class."""

    class Encoder(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self, dim: int = 4) -> None:
            super().__init__()
            self.layer = nn.Linear(dim, dim)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"embedding": self.layer(x)}

        def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
            return self(batch)["embedding"].square().mean()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

        def train_dataloader(self) -> Any:
            return torch.utils.data.DataLoader(torch.randn(40, 4), batch_size=4)  # type: ignore[arg-type]

    return Encoder
