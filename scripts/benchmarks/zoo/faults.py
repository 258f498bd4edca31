"""What can be wrong with a training, and how a diagnosis may call it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["FAULTS", "Fault", "faults_of"]


@dataclass(frozen=True)
class Fault:
    """A training in which one thing is wrong."""

    methods: tuple[str, ...] = ()
    """Which have it; none: all."""
    settings: Mapping[str, float | bool] = field(default_factory=dict)
    """Of the method."""
    rate: float = 1.0
    """Factor of the learning rate."""
    strength: float = 1.0
    """Of the augmentation; at 0 views are the same."""
    repeats: int = 1
    """How often each image, and its views, are in a batch."""
    empty: float = 0.0
    """Share of crops in which there is nothing."""
    half: bool = False
    """Gradients in float16 under a loss scale that nothing lowers."""
    named: tuple[str, ...] = ()
    """States that are right names for it."""


_COLLAPSE = ("complete_collapse", "dimensional_collapse", "cluster_collapse", "head_collapse")
_NARROW = ("dimensional_collapse", "head_collapse")
_POINT = ("single_prototype", "complete_collapse", "head_collapse")

FAULTS: dict[str, Fault] = {
    "healthy": Fault(),
    "rate_x10": Fault(rate=10, named=(*_COLLAPSE, "stalled")),
    "rate_x100": Fault(rate=100, named=(*_COLLAPSE, "stalled")),
    "fp16_overflow": Fault(half=True, named=("non_finite",)),
    "duplicated": Fault(repeats=4, named=("duplicates",)),
    "empty_crops": Fault(empty=1.0, named=("duplicates", "complete_collapse")),
    "half_empty": Fault(empty=0.5, named=("duplicates",)),
    "same_views": Fault(strength=0.0, named=("views_identical",)),
    "no_predictor": Fault(("simsiam", "byol"), {"predictor": False}, named=_COLLAPSE),
    "no_stop_gradient": Fault(("simsiam",), {"stop_gradient": False}, named=_COLLAPSE),
    "no_variance": Fault(
        ("vicreg",), {"variance": 0.0}, named=("complete_collapse", "head_collapse", "stalled")
    ),
    "no_covariance": Fault(("vicreg",), {"covariance": 0.0}, named=_NARROW),
    "no_ema": Fault(("byol", "dino"), {"momentum": 0.0}, named=_COLLAPSE),
    "frozen_teacher": Fault(
        ("byol", "dino"), {"momentum": 1.0}, named=("teacher_student_divergence",)
    ),
    "no_centring": Fault(("dino",), {"centring": False}, named=_POINT),
    "no_centring_no_koleo": Fault(("dino",), {"centring": False, "koleo": 0.0}, named=_POINT),
    "teacher_too_hot": Fault(
        ("dino",), {"teacher_temperature": 0.3, "koleo": 0.0}, named=("uniform_assignment",)
    ),
    "teacher_too_cold": Fault(("dino",), {"teacher_temperature": 0.002}, named=_POINT),
    "too_hot": Fault(("simclr",), {"temperature": 20.0}, named=("stalled",)),
    "no_decorrelation": Fault(("barlow",), {"decorrelation": 0.0}, named=_NARROW),
    "unbalanced": Fault(("swav",), {"balanced": False}, named=_COLLAPSE),
}


def faults_of(method: str) -> list[str]:
    """Those that a method can have, ``healthy`` among them."""
    return [name for name, fault in FAULTS.items() if not fault.methods or method in fault.methods]
