"""An application that knows neither Hydra nor Gramscope."""

import pytorch_lightning as pl
from tiny import SelfDistillation

if __name__ == "__main__":
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=100,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(SelfDistillation())
    print("callbacks:", [type(callback).__name__ for callback in trainer.callbacks])
