"""What several features of the same rows say together: teacher and student, head and backbone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from gramscope.metrics.batch import Batch
from gramscope.metrics.kernels import alignment_of, distance_of, hsic
from gramscope.metrics.ranks import effective_rank

__all__ = ["joint"]


def joint(batches: Mapping[str, Batch]) -> dict[str, float]:
    """How alike the features of roles are that stand opposite one another.

    ``teacher_X`` is compared with ``student_X`` as ``X/teacher_student_*``, ``X_head`` with
    ``X_backbone`` as ``X/head_backbone_*``; names that are a role alone give no prefix. Each pair
    has `linear_cka` (``*_cka``), `gram_distance` and ``*_rank_ratio``: the `effective_rank` of the
    student over the teacher's, of the head over the backbone's.

    Args:
        batches: By the feature's name, its rows. Two of one pair hold the same rows in the same
            order; those that are finite in both count. A pair of unequal length is left out.

    Returns:
        By name, the numbers that have a value.

    Example:
        >>> x = torch.randn(16, 4)
        >>> found = joint({"teacher_cls": Batch(x), "student_cls": Batch(x)})
        >>> {name: round(value, 4) for name, value in found.items()}  # doctest: +ELLIPSIS
        {'cls/teacher_student_cka': 1.0, ... 'cls/teacher_student_rank_ratio': 1.0}
    """
    found = {}
    for name, over, under in _opposites(batches):
        a, b = _finite_in_both(batches[over], batches[under])
        between = hsic(a.product, b.product)
        found[f"{name}_cka"] = alignment_of(a.product, b.product, between)
        found[f"{name}_gram_distance"] = distance_of(a.gram, b.gram)
        found[f"{name}_rank_ratio"] = _rank_ratio(a, b)
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _opposites(batches: Mapping[str, Batch]) -> Iterator[tuple[str, str, str]]:
    """What a pair is called, and the names of its two features: which is put over the other."""
    for name, batch in batches.items():
        role, line, of = name.partition("_")
        student = f"student{line}{of}"
        if role == "teacher" and _of_as_many_rows(batch, batches.get(student)):
            yield f"{of}/teacher_student".lstrip("/"), student, name
        of, line, part = name.rpartition("_")
        backbone = f"{of}{line}backbone"
        if part == "head" and _of_as_many_rows(batch, batches.get(backbone)):
            yield f"{of}/head_backbone".lstrip("/"), name, backbone


def _of_as_many_rows(batch: Batch, other: Batch | None) -> bool:
    return other is not None and len(batch.features) == len(other.features)


def _finite_in_both(a: Batch, b: Batch) -> tuple[Batch, Batch]:
    if a.finite.equal(b.finite):
        return a, b
    both = a.finite & b.finite
    return Batch(a.features[both]), Batch(b.features[both])


def _rank_ratio(a: Batch, b: Batch) -> float:
    under = effective_rank(b.spectrum)
    return effective_rank(a.spectrum) / under if under > 0 else math.nan
