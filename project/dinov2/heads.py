"""The projection head that DINO and iBOT compare views in."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["ProjectionHead"]


class ProjectionHead(nn.Module):
    """Three-layer MLP, then cosine similarities to `K` prototypes (Caron et al. 2021).

    `mlp` alone gives the bottleneck, `[N, d]`.

    Args:
        in_dim: Width of the backbone.
        hidden_dim: Width of the two hidden layers.
        bottleneck_dim: Width of the space in which prototypes live.
        num_prototypes: `K`.
    """

    def __init__(
        self, in_dim: int, hidden_dim: int, bottleneck_dim: int, num_prototypes: int
    ) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(in_dim, hidden_dim),
            nn.GELU(),
            nn.Linear(hidden_dim, hidden_dim),
            nn.GELU(),
            nn.Linear(hidden_dim, bottleneck_dim),
        )
        self.last_layer = Prototypes(bottleneck_dim, num_prototypes)
        for module in self.mlp:
            if isinstance(module, nn.Linear):
                # DINO's 0.02 is that of its 2048 hidden units. With it, a narrower head begins by
                # damping its input, and what little it then learns drowns all other directions.
                nn.init.trunc_normal_(module.weight, std=module.in_features**-0.5)
                nn.init.zeros_(module.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Project `[N, D]` features to `[N, K]` logits in -1…1."""
        logits: Tensor = self.last_layer(self.mlp(features))
        return logits


class Prototypes(nn.Module):
    """Cosine similarity to learned directions.

    DINO's weight-normalised last layer with its gain fixed to 1, without the gain:
    a parameter that never changes would have to be frozen, copied and stored.
    """

    def __init__(self, dim: int, count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(count, dim))
        nn.init.trunc_normal_(self.weight, std=0.02)

    def forward(self, features: Tensor) -> Tensor:
        """Compare `[N, d]` features with the prototypes, giving `[N, K]`."""
        features = functional.normalize(features, dim=-1, eps=1e-6)
        return functional.linear(features, functional.normalize(self.weight, dim=-1, eps=1e-6))
