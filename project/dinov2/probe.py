"""Does the teacher know tissue? A k-nearest-neighbour probe on a held-out region of the brain."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import cast

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.nn import functional

from project.data.datamodule import ProbeData
from project.dinov2.model import SelfDistillation
from project.dinov2.vit import VisionTransformer3D

__all__ = ["KNNProbe", "ProbeResult", "knn_predict"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProbeResult:
    """One evaluation.

    Attributes:
        step: Optimizer steps taken before it.
        accuracy: Share of queries named right.
        balanced_accuracy: Mean over tissues of that share.
        chance: Accuracy of always naming the most frequent tissue.
    """

    step: int
    accuracy: float
    balanced_accuracy: float
    chance: float


class KNNProbe(Callback):
    """Name the tissue of held-out crops by the teacher's nearest neighbours among trained ones.

    Evaluates before the first step, every `every_n_steps` optimizer steps and at the end, on the
    teacher's class token before its head. Logs `probe/knn_accuracy`, `probe/knn_balanced_accuracy`
    and `probe/chance` to every logger and, on rank 0, to `trainer.callback_metrics`.
    Draws no random number, so it does not change the training.
    Does nothing for data without labels.

    Args:
        every_n_steps: Optimizer steps between evaluations, at least 1.
        neighbours: Neighbours that vote, at least 1.
        temperature: Neighbours vote with weight `exp(similarity / temperature)`; above 0.
        batch_size: Crops in a forward pass, at least 1.

    Raises:
        ValueError: If an argument is out of range.

    Attributes:
        history: All results so far.
    """

    summary_label = "probe"
    """What the job's summary calls this one's `summary`."""

    def __init__(
        self,
        every_n_steps: int = 100,
        neighbours: int = 10,
        temperature: float = 0.07,
        batch_size: int = 64,
    ) -> None:
        for name, value in (
            ("every_n_steps", every_n_steps),
            ("neighbours", neighbours),
            ("temperature", temperature),
            ("batch_size", batch_size),
        ):
            if value <= 0:
                raise ValueError(f"Expected `{name}` to be positive, but got {value}")
        self.every_n_steps = every_n_steps
        self.neighbours = neighbours
        self.temperature = temperature
        self.batch_size = batch_size
        self.history: list[ProbeResult] = []
        self._data: ProbeData | None = None
        self._last_step = 0

    @property
    def summary(self) -> str | None:
        """One line on the first and the last result, `None` without one."""
        if not self.history:
            return None
        first, last = self.history[0], self.history[-1]
        moments = [first, last] if last.step > first.step else [first]
        parts = [f"{100 * result.accuracy:.1f} % {_moment(result.step)}" for result in moments]
        return f"tissue probe: {', '.join(parts)}, chance {100 * last.chance:.1f} %"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make the crops and evaluate the weights as they are."""
        provide = getattr(getattr(trainer, "datamodule", None), "probe_data", None)
        # One rank is enough: the teacher is the same on all.
        self._data = provide() if provide is not None and trainer.is_global_zero else None
        self._evaluate(trainer, pl_module)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Evaluate when due."""
        if trainer.global_step // self.every_n_steps > self._last_step // self.every_n_steps:
            self._evaluate(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Evaluate the final weights."""
        if trainer.global_step > self._last_step:
            self._evaluate(trainer, pl_module)

    def _evaluate(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._last_step = trainer.global_step
        if self._data is None:
            return
        teacher = cast(SelfDistillation, pl_module.model).teacher
        bank, queries = (
            self._features(teacher.backbone, crops.images)
            for crops in (self._data.bank, self._data.queries)
        )
        predicted = knn_predict(
            bank, self._data.bank.labels, queries, self.neighbours, self.temperature
        )
        labels = self._data.queries.labels
        right = (predicted == labels).float()
        counts = labels.bincount()
        per_class = torch.bincount(labels, weights=right)[counts > 0] / counts[counts > 0]
        result = ProbeResult(
            step=trainer.global_step,
            accuracy=right.mean().item(),
            balanced_accuracy=per_class.mean().item(),
            chance=counts.max().item() / len(labels),
        )
        self.history.append(result)
        _log.info(
            "Tissue probe at step %d: %.1f %% right, chance %.1f %%",
            result.step,
            100 * result.accuracy,
            100 * result.chance,
        )
        metrics = {
            "probe/knn_accuracy": result.accuracy,
            "probe/knn_balanced_accuracy": result.balanced_accuracy,
            "probe/chance": result.chance,
        }
        for logger in trainer.loggers:
            logger.log_metrics(metrics, step=trainer.global_step)
        # Not `self.log`: Lightning forbids it at the end of the training, and it would
        # send the numbers to the loggers once more, at the loggers' own cadence.
        trainer.callback_metrics.update(
            {name: torch.tensor(value) for name, value in metrics.items()}
        )

    @torch.no_grad()
    def _features(self, backbone: VisionTransformer3D, images: Tensor) -> Tensor:
        """Class tokens `[N, D]` of `[N, 1, S, S, S]` images, on the host."""
        weights = backbone.cls_token  # Images take their device and precision.
        parts = images.split(self.batch_size)
        return torch.cat([backbone(part.to(weights)).cls.float().cpu() for part in parts])


def _moment(step: int) -> str:
    return f"after {step} steps" if step else "at random weights"


def knn_predict(
    bank: Tensor, bank_labels: Tensor, queries: Tensor, neighbours: int, temperature: float
) -> Tensor:
    """Weighted k-nearest-neighbour vote by cosine similarity (Wu et al. 2018).

    Args:
        bank: `[M, D]` features with known labels.
        bank_labels: `[M]` int64.
        queries: `[N, D]` features.
        neighbours: Neighbours that vote, at most `M`.
        temperature: Neighbours vote with weight `exp(similarity / temperature)`.

    Returns:
        `[N]` int64 labels.
    """
    similarity = (
        functional.normalize(queries, dim=-1) @ functional.normalize(bank, dim=-1).T
    )  # [N, M]
    top, index = similarity.topk(min(neighbours, len(bank)), dim=1)  # [N, k]
    votes = torch.zeros(len(queries), int(bank_labels.max()) + 1)
    votes.scatter_add_(1, bank_labels[index], torch.exp(top / temperature))
    return votes.argmax(dim=1)
