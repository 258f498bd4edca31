"""Learns digits by one method, and looks at the features on the way."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from _digits import Digits, augmented
from _encoders import head
from _joint_embedding import Method
from torch import Tensor, nn

from gramscope.metrics import standard

BATCH = 128
MEASURED = 64


@dataclass(frozen=True)
class Moment:
    """A run at one step."""

    head: dict[str, float]
    """`standard` of what the loss saw of `MEASURED` images, both views of each."""
    backbone: dict[str, float]
    """The same, before the head."""
    accuracy: float


def moments(
    digits: Digits,
    encoder: Callable[[], nn.Module],
    method: Method,
    seed: int,
    steps: Collection[int],
) -> list[Moment]:
    """A run at these steps, 1 being random weights; runs of a seed begin alike, and see the same.

    AdamW as it comes, at 1e-3; as many steps as the last of these.
    """
    torch.manual_seed(seed)
    random = torch.Generator().manual_seed(seed)
    backbone, project = encoder(), head()
    predictors = [make() for make in method.predictors]
    learner = nn.ModuleList([backbone, project, *predictors])
    optimizer = torch.optim.AdamW(learner.parameters(), lr=1e-3)
    found = []
    for step in range(1, max(steps) + 1):
        features = backbone(_views(digits, method, random))
        projected = project(features)
        if step in steps:
            accuracy = digits.accuracy(backbone)
            found.append(Moment(_numbers(projected), _numbers(features), accuracy))
        optimizer.zero_grad()
        method.loss(*projected.chunk(2), *predictors).backward()
        optimizer.step()
    return found


def _views(digits: Digits, method: Method, random: torch.Generator) -> Tensor:
    """``[2 * BATCH, 1, 8, 8]``: all first views, then all second ones."""
    images = digits.known[torch.randperm(len(digits.known), generator=random)[:BATCH]]
    first = augmented(images, random)
    second = first if method.same_views else augmented(images, random)
    return torch.cat([first, second])


def _numbers(features: Tensor) -> dict[str, float]:
    some = [view[:MEASURED] for view in features.detach().chunk(2)]
    return standard(torch.cat(some), views=2)
