"""An application of LightningCLI, whose trainer comes from YAML and from the command line."""

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LightningCLI
from torch import Tensor, nn
from torch.utils.data import DataLoader


class Encoder(LightningModule):
    def __init__(self, dim: int = 16, width: int = 8, batch_size: int = 20) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = nn.Linear(dim, width)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"embedding": self.layer(x)}

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        first, second = (self(batch + torch.randn_like(batch))["embedding"] for _ in range(2))
        return (first - second).square().mean() - first.std()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters())

    def train_dataloader(self) -> DataLoader[Tensor]:
        samples = torch.randn(50 * self.hparams.batch_size, self.hparams.dim)
        return DataLoader(samples, self.hparams.batch_size)


if __name__ == "__main__":
    defaults = {
        "accelerator": "cpu",
        "max_steps": 100,
        "logger": False,
        "enable_checkpointing": False,
        "enable_model_summary": False,
    }
    cli = LightningCLI(Encoder, trainer_defaults=defaults)
    print("callbacks:", [type(callback).__name__ for callback in cli.trainer.callbacks])
