"""Methods by which views of an image come to agree, each with the parts that can be taken out.

Every method makes ``(loss, features by role)`` of two views ``[n, 1, 14, 14]``; features hold all
first views, then all second ones.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from _joint_embedding import simclr, simsiam, vicreg
from torch import Tensor, nn
from torch.nn import functional

from gramscope.metrics import sinkhorn_knopp
from gramscope.metrics.assignment import assignment
from zoo.encoders import DIM, perceptron

__all__ = ["METHODS", "Method", "Seen"]

Seen = dict[str, Tensor]
"""Features ``[2n, D]`` by role."""

PROTOTYPES = 256


class Method(nn.Module):
    """A backbone and what learning puts on top of it."""

    loss: Callable[[Tensor, Tensor], Tensor]
    """Of what the head makes of two views, ``[n, DIM]``; each method has its own."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = perceptron(128)

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Seen]:
        """Loss of two views, and features."""
        seen = self.features(torch.cat([a, b]))
        return self.loss(*seen["head"].chunk(2)), seen

    def features(self, images: Tensor) -> Seen:
        """Of images ``[n, 1, 14, 14]``, before the head and behind it."""
        features = self.backbone(images)
        return {"head": self.head(features), "backbone": features}

    def numbers(self) -> dict[str, float]:
        """What the method's own logits say at the step."""
        return {}

    def after_step(self) -> None:
        """Follow the step that the optimizer has taken."""


class SimCLR(Method):
    def __init__(self, backbone: nn.Module, temperature: float = 0.5) -> None:
        super().__init__(backbone)
        self.temperature = temperature

    def loss(self, a: Tensor, b: Tensor) -> Tensor:
        return simclr(a, b, self.temperature)


class SimSiam(Method):
    def __init__(
        self, backbone: nn.Module, predictor: bool = True, stop_gradient: bool = True
    ) -> None:
        super().__init__(backbone)
        # As its authors have it: batch norm ends the projection.
        self.head = nn.Sequential(self.head, nn.BatchNorm1d(DIM, affine=False))
        self.predict = perceptron(DIM // 4) if predictor else nn.Identity()
        self.stop_gradient = stop_gradient

    def loss(self, a: Tensor, b: Tensor) -> Tensor:
        return simsiam(a, b, self.predict, self.stop_gradient)


class VICReg(Method):
    def __init__(
        self, backbone: nn.Module, variance: float = 25.0, covariance: float = 1.0
    ) -> None:
        super().__init__(backbone)
        self.weights = {"variance": variance, "covariance": covariance}

    def loss(self, a: Tensor, b: Tensor) -> Tensor:
        return vicreg(a, b, **self.weights)


class BarlowTwins(Method):
    """Zbontar et al., ICML 2021: the views' cross-correlation becomes the identity."""

    def __init__(self, backbone: nn.Module, decorrelation: float = 0.005) -> None:
        super().__init__(backbone)
        self.decorrelation = decorrelation

    def loss(self, a: Tensor, b: Tensor) -> Tensor:
        a, b = ((x - x.mean(0)) / (x.std(0) + 1e-4) for x in (a, b))
        cross = a.T @ b / len(a)
        diagonal = cross.diagonal()
        off = cross.square().sum() - diagonal.square().sum()
        return (1 - diagonal).square().sum() + self.decorrelation * off


class SwAV(Method):
    """Caron et al., NeurIPS 2020: each view's balanced assignment is predicted from the other."""

    def __init__(
        self, backbone: nn.Module, balanced: bool = True, temperature: float = 0.1
    ) -> None:
        super().__init__(backbone)
        self.prototypes = nn.Parameter(functional.normalize(torch.randn(PROTOTYPES // 4, DIM)))
        self.balanced, self.temperature = balanced, temperature

    def loss(self, a: Tensor, b: Tensor) -> Tensor:
        prototypes = functional.normalize(self.prototypes).T
        scores = [functional.normalize(view) @ prototypes for view in (a, b)]
        with torch.no_grad():
            targets = [self._targets(score) for score in scores]
        logs = [functional.log_softmax(score / self.temperature, dim=1) for score in scores]
        return -((targets[0] * logs[1]).sum(1) + (targets[1] * logs[0]).sum(1)).mean() / 2

    def _targets(self, scores: Tensor) -> Tensor:
        if self.balanced:
            return sinkhorn_knopp(scores / 0.05, 3).float()
        return torch.softmax(scores / self.temperature, dim=1)


class Distillation(Method):
    """A student and a teacher that is its moving average."""

    distil: Callable[[Seen], Tensor]
    """Loss of what teacher and student make of both views; each method has its own."""

    def __init__(self, backbone: nn.Module, head: nn.Module, momentum: float) -> None:
        super().__init__(backbone)
        self.head, self.momentum = head, momentum
        self.teacher = nn.ModuleList(copy.deepcopy([self.backbone, self.head]))
        self.teacher.requires_grad_(False)

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Seen]:
        both = torch.cat([a, b])
        student = super().features(both)
        seen = self.features(both) | {f"student_{part}": z for part, z in student.items()}
        return self.distil(seen), seen

    @torch.no_grad()
    def features(self, images: Tensor) -> Seen:
        """Of images, as the teacher has them."""
        backbone, head = self.teacher
        features = backbone(images)
        return {"teacher_head": head(features), "teacher_backbone": features}

    @torch.no_grad()
    def after_step(self) -> None:
        learned = [*self.backbone.parameters(), *self.head.parameters()]
        for followed, learning in zip(self.teacher.parameters(), learned, strict=True):
            followed.lerp_(learning, 1 - self.momentum)


class BYOL(Distillation):
    """Grill et al., NeurIPS 2020: the teacher's view is predicted from the student's other."""

    def __init__(self, backbone: nn.Module, predictor: bool = True, momentum: float = 0.98) -> None:
        super().__init__(backbone, perceptron(128), momentum)
        self.predict = perceptron(128) if predictor else nn.Identity()

    def distil(self, seen: Seen) -> Tensor:
        a, b = seen["teacher_head"].chunk(2)
        predicted = self.predict(seen["student_head"])
        similarity = functional.cosine_similarity(predicted, torch.cat([b, a]))
        return (2 - 2 * similarity).mean()


class DinoHead(nn.Module):
    """Cosine similarities to prototypes, behind a projection."""

    def __init__(self) -> None:
        super().__init__()
        self.project = perceptron(128, norm=False)
        self.prototypes = nn.Parameter(functional.normalize(torch.randn(PROTOTYPES, DIM)))

    def forward(self, features: Tensor) -> Tensor:
        projected = functional.normalize(self.project(features))
        return projected @ functional.normalize(self.prototypes).T


class DINO(Distillation):
    """Caron et al., ICCV 2021, with KoLeo on the student's backbone as in DINOv2."""

    def __init__(
        self,
        backbone: nn.Module,
        centring: bool = True,
        teacher_temperature: float = 0.04,
        momentum: float = 0.98,
        koleo: float = 0.1,
    ) -> None:
        super().__init__(backbone, DinoHead(), momentum)
        self.centring, self.temperature, self.koleo = centring, teacher_temperature, koleo
        self.register_buffer("centre", torch.zeros(PROTOTYPES))
        self.seen: Seen = {}

    def distil(self, seen: Seen) -> Tensor:
        self.seen = seen
        logits, student = seen["teacher_head"], seen["student_head"]
        targets = torch.softmax((logits - self.centre) / self.temperature, dim=1)
        self.before = self.centre.clone()
        if self.centring:
            self.centre.lerp_(logits.mean(0), 0.1)
        a, b = targets.chunk(2)
        logs = functional.log_softmax(student / 0.1, dim=1)
        loss = -(torch.cat([b, a]) * logs).sum(1).mean()
        apart = sum(_koleo(view) for view in seen["student_backbone"].chunk(2))
        return loss + self.koleo * apart

    def numbers(self) -> dict[str, float]:
        teacher, student = (
            self.seen[f"{who}_head"].detach().view(2, -1, PROTOTYPES)[:, :64]
            for who in ("teacher", "student")
        )
        return assignment(
            teacher,
            student,
            temperature=self.temperature,
            student_temperature=0.1,
            centre=self.before if self.centring else 0.0,
            sinkhorn_iterations=None,
        )


def _koleo(features: Tensor) -> Tensor:
    """The logarithm of the distance to the nearest, negative. Sablayrolles et al., ICLR 2019."""
    rows = functional.normalize(features)
    nearest = (rows.detach() @ rows.detach().T).fill_diagonal_(-math.inf).argmax(1)
    return -(functional.pairwise_distance(rows, rows[nearest]) + 1e-8).log().mean()


METHODS: dict[str, Callable[..., Method]] = {
    "simclr": SimCLR,
    "simsiam": SimSiam,
    "vicreg": VICReg,
    "byol": BYOL,
    "dino": DINO,
    "barlow": BarlowTwins,
    "swav": SwAV,
}
