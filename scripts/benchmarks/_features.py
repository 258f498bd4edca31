"""Features as models make them: some samples alike, none alike to all; not white noise."""

import torch
from torch import Tensor

# How far a batch of features is on its way to collapse: weight of what all samples share.
LOOKS = {"clusters": 0.3, "near collapse": 2.0, "white noise": None}


def features(n: int, dim: int, look: str = "clusters", seed: int = 0) -> Tensor:
    """``[n, dim]``: classes in random order, whose variance falls off over the dimensions."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    shared = LOOKS[look]
    if shared is None:
        return normal(n, dim)
    scale = torch.arange(1, dim + 1).float().rsqrt()  # [D] a power-law spectrum
    centres = normal(10, dim)
    labels = torch.randint(10, (n,), generator=generator)
    return (shared * normal(1, dim) + centres[labels] + 0.8 * normal(n, dim)) * scale
