"""The design that everyone uses today, to measure ours against: all of it on the training thread.

At a due step one more forward pass gives the features, all ranks gather all of them, and rank 0
makes a figure with pyplot and hands it to W&B with ``step=``. Without a W&B logger the figure
goes to a file, because ours keeps its pictures then too, and because a figure that nobody saves
is never drawn.

pyplot and W&B are imported when first needed, so that runs without this callback do not pay for
them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional

__all__ = ["SynchronousGramCallback", "close", "heatmap", "wandb_image"]


class SynchronousGramCallback(pl.Callback):
    """Logs the cosine similarities of a batch's features as a heatmap, while training waits.

    Args:
        log_every_n_steps: Optimizer steps between two heatmaps.
        feature_key: Key of the model's output mapping.
        max_samples: Rows of the matrix.
        save_dir: Where heatmaps go if there is no W&B logger.
    """

    def __init__(
        self, log_every_n_steps: int, feature_key: str, max_samples: int, save_dir: Path
    ) -> None:
        self.log_every_n_steps = log_every_n_steps
        self.feature_key = feature_key
        self.max_samples = max_samples
        self.save_dir = save_dir

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Make the heatmap if the step is due.

        Args:
            trainer: The trainer.
            pl_module: Its module.
            outputs: What the training step returned.
            batch: The batch.
            batch_idx: Its index.
        """
        if trainer.global_step % self.log_every_n_steps:
            return
        with torch.no_grad():
            features = pl_module.model(batch)[self.feature_key]
        features = _all_gather(features)[: self.max_samples]
        z = functional.normalize(features.float(), dim=1)
        gram = z @ z.T
        if trainer.is_global_zero:
            self._log(trainer, gram.cpu().numpy())

    def _log(self, trainer: Any, gram: Any) -> None:
        step = trainer.global_step
        figure = heatmap(gram, step)
        offdiag = gram[~torch.eye(len(gram), dtype=torch.bool).numpy()]
        loggers = [x for x in trainer.loggers if type(x).__name__ == "WandbLogger"]
        for logger in loggers:
            logger.experiment.log(
                {
                    "gram_matrix": wandb_image(figure),
                    "offdiag_mean": float(offdiag.mean()),
                    "offdiag_std": float(offdiag.std()),
                },
                step=step,
            )
        if not loggers:
            self.save_dir.mkdir(parents=True, exist_ok=True)
            figure.savefig(self.save_dir / f"step_{step:08d}.png")
        close(figure)


def _all_gather(features: Tensor) -> Tensor:
    if not (dist.is_available() and dist.is_initialized()):
        return features
    features = features.contiguous()
    parts = [torch.empty_like(features) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, features)
    return torch.cat(parts)


def heatmap(gram: Any, step: int) -> Any:
    """A pyplot figure of a gram matrix; not drawn before it is saved.

    Args:
        gram: ``[N, N]``.
        step: For the title.
    """
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    image = axes.imshow(gram, cmap="viridis", vmin=-1, vmax=1)
    figure.colorbar(image, ax=axes, label="cosine similarity")
    axes.set_xlabel("sample index")
    axes.set_ylabel("sample index")
    axes.set_title(f"step {step}")
    return figure


def wandb_image(figure: Any) -> Any:
    """A W&B image of a pyplot figure, drawn.

    Args:
        figure: See `heatmap`.
    """
    import wandb

    return wandb.Image(figure)


def close(figure: Any) -> None:
    """Let pyplot forget a figure.

    Args:
        figure: See `heatmap`.
    """
    import matplotlib.pyplot as plt

    plt.close(figure)
