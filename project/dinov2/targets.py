"""Teacher logits become target distributions that neither collapse to one prototype nor to all."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["Centering", "SinkhornKnopp"]


class Centering(nn.Module):
    """Softmax of logits less their running mean over all ranks (Caron et al. 2021).

    Args:
        num_prototypes: `K`.
        momentum: Share of the old centre that each batch keeps.
    """

    center: Tensor

    def __init__(self, num_prototypes: int, momentum: float = 0.9) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("center", torch.zeros(num_prototypes))

    @torch.no_grad()
    def forward(self, logits: Tensor, temperature: float) -> Tensor:
        """Make targets and, in training, move the centre towards this batch.

        Args:
            logits: `[N, K]`; `N` may differ between ranks.
            temperature: Teacher temperature.

        Returns:
            `[N, K]` float32 whose rows sum to 1.
        """
        logits = logits.float()
        probs = torch.softmax((logits - self.center) / temperature, dim=-1)
        if self.training:
            total = _sum_over_ranks(logits.sum(dim=0))
            count = _sum_over_ranks(logits.new_tensor(len(logits)))
            mean = total / count.clamp(min=1.0)
            self.center.lerp_(mean, 1.0 - self.momentum)
        return probs


class SinkhornKnopp(nn.Module):
    """Assignment of all ranks' rows to equally used prototypes (Caron et al. 2020).

    Args:
        iterations: Times that prototypes, then rows, are normalised.
    """

    def __init__(self, iterations: int = 3) -> None:
        super().__init__()
        self.iterations = iterations

    @torch.no_grad()
    def forward(self, logits: Tensor, temperature: float) -> Tensor:
        """Make targets.

        Args:
            logits: `[N, K]`; `N` may differ between ranks.
            temperature: Teacher temperature.

        Returns:
            `[N, K]` float32 whose rows sum to 1.
        """
        scaled = logits.float() / temperature
        # The result does not change with a common factor; this one prevents overflow.
        largest = scaled.max() if scaled.numel() else scaled.new_tensor(-torch.inf)
        probs = torch.exp(scaled - _max_over_ranks(largest))
        for _ in range(self.iterations):
            probs = probs / _sum_over_ranks(probs.sum(dim=0)).clamp(min=torch.finfo().tiny)
            probs = probs / probs.sum(dim=1, keepdim=True)
        return probs


def _sum_over_ranks(value: Tensor) -> Tensor:
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(value, dist.ReduceOp.SUM)
    return value


def _max_over_ranks(value: Tensor) -> Tensor:
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(value, dist.ReduceOp.MAX)
    return value
