"""Losses by which views of an image come to agree, whole and with one part taken out.

``a`` and ``b`` are the head's features of two views: ``[n, D]``, row by row of the same images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812
from _encoders import predictor
from torch import Tensor, nn


def simclr(a: Tensor, b: Tensor, temperature: float = 0.5) -> Tensor:
    """NT-Xent: which of all rows is the other view of this one? Chen et al., ICML 2020, eq. 1."""
    rows = F.normalize(torch.cat([a, b]))
    partner = torch.arange(len(rows)).roll(len(a))
    similarity = (rows @ rows.T).fill_diagonal_(-torch.inf)
    return F.cross_entropy(similarity / temperature, partner)


def simsiam(a: Tensor, b: Tensor, predict: nn.Module, stop_gradient: bool = True) -> Tensor:
    """Each view, predicted from the other, stands still. Chen & He, CVPR 2021, algorithm 1."""
    targets = (a.detach(), b.detach()) if stop_gradient else (a, b)
    forth = F.cosine_similarity(predict(a), targets[1])
    back = F.cosine_similarity(predict(b), targets[0])
    return -(forth + back).mean() / 2


def vicreg(
    a: Tensor, b: Tensor, variance: float = 25.0, invariance: float = 25.0, covariance: float = 1.0
) -> Tensor:
    """Views agree, columns vary and do not covary. Bardes, Ponce & LeCun, ICLR 2022.

    Weights are theirs, and means are taken as in their code (`main_vicreg.py`).
    """
    return (
        variance * (_too_still(a) + _too_still(b)) / 2
        + invariance * F.mse_loss(a, b)
        + covariance * (_covarying(a) + _covarying(b))
    )


def _too_still(x: Tensor) -> Tensor:
    return F.relu(1 - (x.var(dim=0) + 1e-4).sqrt()).mean()


def _covarying(x: Tensor) -> Tensor:
    covariance = x.T.cov()  # [D, D]
    return (covariance - covariance.diagonal().diag()).square().sum() / len(covariance)


@dataclass(frozen=True)
class Method:
    """What a run learns by."""

    loss: Callable[..., Tensor]
    """Of two views' features, and of a predictor if there is one."""
    predictors: tuple[Callable[[], nn.Module], ...] = ()
    same_views: bool = False
    """Whether the second view is the first again."""


METHODS = {
    "SimCLR": Method(simclr),
    "SimSiam": Method(simsiam, (predictor,)),
    "VICReg": Method(vicreg),
    "SimSiam without predictor": Method(simsiam, (nn.Identity,)),
    "SimSiam without stop-gradient": Method(partial(simsiam, stop_gradient=False), (predictor,)),
    "VICReg without variance term": Method(partial(vicreg, variance=0.0)),
    "VICReg without covariance term": Method(partial(vicreg, covariance=0.0)),
    "VICReg without invariance term": Method(partial(vicreg, invariance=0.0)),
    "SimCLR, views the same": Method(simclr, same_views=True),
}
