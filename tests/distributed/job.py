"""One rank of a real multi-process training run; started by `launch`.

Reads its instructions from the JSON file named on the command line and writes what it saw to
``rank<r>.json`` beside it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

torch.set_num_threads(1)

import pytorch_lightning as pl  # noqa: E402
from pytorch_lightning.strategies import DDPStrategy  # noqa: E402

from gramscope.callbacks import GramMatrixCallback  # noqa: E402

DIM = 12


def rows(rank: int, step: int, n: int) -> Tensor:
    """The features of a rank at a step, which the test can make again. ``[n, D]``."""
    generator = torch.Generator().manual_seed(1000 * step + rank)
    return torch.randn(n, DIM, generator=generator)


class Net(nn.Module):
    """Gives fixed features, so that the gathered matrix is known beforehand."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(DIM, DIM)

    def forward(self, x: Tensor) -> dict[str, Any]:
        return {"loss": self.layer(x).square().mean(), "teacher_cls_token": x}


class Job(pl.LightningModule):
    def __init__(self, plan: dict[str, Any]) -> None:
        super().__init__()
        self.model = Net()
        self.plan = plan

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        n = self.plan["rows"][self.global_rank]
        outputs = self.model(rows(self.global_rank, self.global_step + 1, n))
        return outputs["loss"]

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.0)

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(range(10_000), batch_size=1)


def main() -> None:
    plan_file = Path(sys.argv[1])
    plan = json.loads(plan_file.read_text())
    rank = int(os.environ["RANK"])
    log_file = plan_file.parent / f"rank{rank}.log"
    logging.basicConfig(filename=log_file, level=logging.WARNING)
    callbacks = [GramMatrixCallback(**arguments) for arguments in plan["callbacks"]]
    world_size = int(os.environ["WORLD_SIZE"])
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=world_size,
        strategy=DDPStrategy(process_group_backend="gloo"),
        max_steps=plan["steps"],
        callbacks=callbacks,
        logger=False,
        default_root_dir=str(plan_file.parent),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    trainer.fit(Job(plan))
    seen = {
        "global_step": trainer.global_step,
        "outcomes": [c.outcomes for c in callbacks],
        "latest": [c.latest for c in callbacks],
    }
    (plan_file.parent / f"rank{rank}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main()
