"""The design that everyone uses today, to measure ours against: all of it on the training thread.

At a due step one more forward pass gives the features, all ranks gather all of them, and rank 0
makes a figure with pyplot and hands it to W&B with ``step=``. Without W&B the figure goes to a
file, because ours keeps its pictures then too, and because a figure that nobody saves is never
drawn. pyplot and W&B are imported when needed, so that other runs do not pay for them.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional


class SynchronousGramCallback(pl.Callback):
    """Logs the cosine similarities of a batch's features as a heatmap, while training waits."""

    def __init__(self, every: int, feature_key: str, max_samples: int, save_dir: Path | None):
        self._every, self._feature_key, self._max_samples = every, feature_key, max_samples
        self._save_dir = save_dir

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, _: Any, batch: Any, *__: Any
    ) -> None:
        """Make the heatmap if the step is due."""
        if trainer.global_step % self._every:
            return
        with torch.no_grad():
            features = pl_module.model(batch)[self._feature_key]
        z = functional.normalize(_all_gather(features)[: self._max_samples].float(), dim=1)
        if trainer.is_global_zero:
            self._log(trainer, (z @ z.T).cpu().numpy())

    def _log(self, trainer: Any, gram: np.ndarray) -> None:
        import matplotlib.pyplot as plt

        step = trainer.global_step
        figure = heatmap(gram, step)
        offdiag = gram[~np.eye(len(gram), dtype=bool)]
        if self._save_dir is None:
            import wandb

            numbers = {"offdiag_mean": float(offdiag.mean()), "offdiag_std": float(offdiag.std())}
            image = {"gram_matrix": wandb.Image(figure)}
            trainer.logger.experiment.log({**image, **numbers}, step=step)
        else:
            figure.savefig(self._save_dir / f"step_{step:08d}.png")
        plt.close(figure)


def _all_gather(features: Tensor) -> Tensor:
    if not dist.is_initialized():
        return features
    parts = [torch.empty_like(features) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, features.contiguous())
    return torch.cat(parts)


def heatmap(gram: np.ndarray, step: int) -> Any:
    """A pyplot figure of a gram matrix; not drawn before it is saved."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    image = axes.imshow(gram, cmap="viridis", vmin=-1, vmax=1)
    figure.colorbar(image, ax=axes, label="cosine similarity")
    axes.set_xlabel("sample index")
    axes.set_ylabel("sample index")
    axes.set_title(f"step {step}")
    return figure
