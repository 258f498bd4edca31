"""How a DINO head assigns samples to its prototypes, from the logits that the loss sees.

Caron et al., "DINO", ICCV 2021, section 3.1. There are two opposite collapses: all samples to one
prototype (`teacher_entropy` near 0), and each sample to all of them (near ln K, the loss stuck at
ln K). In both the student has nothing left to learn, so that `teacher_student_kl` is near 0.
"""

from __future__ import annotations

import math
from itertools import product

import torch
from torch import Tensor

from gramscope.metrics.rows import as_matrix

__all__ = [
    "assignment_entropy",
    "teacher_entropy",
    "teacher_entropy_normalised",
    "teacher_student_kl",
]


def teacher_entropy(
    logits: Tensor, temperature: float = 0.04, centre: Tensor | float = 0.0
) -> float:
    """Mean entropy of a sample's assignment: ``E H(softmax((t - centre) / temperature))``.

    Args:
        logits: ``[N, K]``, any floating dtype: the teacher's.
        temperature: The teacher's.
        centre: ``[K]``: the running mean that centring subtracts. 0 with Sinkhorn-Knopp, whose
            plain logits are meant: after it, alike rows have entropy ln K.

    Returns:
        0 (one prototype, which need not be the same for all) to ln K, in nats; NaN without rows.

    Example:
        >>> round(teacher_entropy(torch.zeros(2, 4096)), 4)
        8.3178
    """
    p = _assigned(logits, temperature, centre).exp()
    return float(torch.special.entr(p).sum(dim=1).mean()) if len(p) else math.nan


def teacher_entropy_normalised(
    logits: Tensor, temperature: float = 0.04, centre: Tensor | float = 0.0
) -> float:
    """`teacher_entropy` over ln K: 0 to 1, whatever the number of prototypes; NaN for K = 1."""
    entropy = teacher_entropy(logits, temperature, centre)
    prototypes = logits.shape[1]
    return entropy / math.log(prototypes) if prototypes > 1 else math.nan


def assignment_entropy(
    logits: Tensor, temperature: float = 0.04, centre: Tensor | float = 0.0
) -> float:
    """Entropy of the mean assignment: how many prototypes the batch uses, as a logarithm.

    Args:
        logits: See `teacher_entropy`.
        temperature: The teacher's.
        centre: The teacher's.

    Returns:
        0 (all samples to one prototype) to ln K, in nats; NaN without rows. At most
        `teacher_entropy` + ln N.
    """
    p = _assigned(logits, temperature, centre).exp()
    return float(torch.special.entr(p.mean(dim=0)).sum()) if len(p) else math.nan


def teacher_student_kl(
    teacher: Tensor,
    student: Tensor,
    temperature: float = 0.04,
    student_temperature: float = 0.1,
    centre: Tensor | float = 0.0,
) -> float:
    """Mean divergence of the student's assignment of a view from the teacher's of another.

    ``E KL(p_t || p_s)``, the student's logits without a centre: the loss without the entropy that
    no student can remove.

    Args:
        teacher: ``[V, n, K]``, or ``[n, K]`` of one view; any floating dtype.
        student: ``[W, n, K]`` of the same samples, of which the first V views are the teacher's; or
            ``[n, K]``, of another view than the teacher's.
        temperature: The teacher's.
        student_temperature: The student's.
        centre: The teacher's.

    Returns:
        0 and up, in nats; NaN without rows, or without a pair of different views.

    Raises:
        ValueError: If the two are not of the same samples and prototypes.
    """
    views, seen = (x if x.ndim == 3 else x[None] for x in (teacher, student))
    if views.shape[1:] != seen.shape[1:]:
        raise ValueError(
            f"Expected logits of the same samples and prototypes, but got shapes "
            f"{list(teacher.shape)} and {list(student.shape)}."
        )
    t = [_assigned(view, temperature, centre) for view in views]
    s = [_assigned(view, student_temperature) for view in seen]
    same_view = teacher.ndim == student.ndim == 3
    pairs = [(i, j) for i, j in product(range(len(t)), range(len(s))) if not same_view or i != j]
    if not pairs or not views.shape[1]:
        return math.nan
    found = [(t[i].exp() * (t[i] - s[j])).sum(dim=1).mean() for i, j in pairs]
    return float(torch.stack(found).mean())


def _assigned(logits: Tensor, temperature: float, centre: Tensor | float = 0.0) -> Tensor:
    """Logarithms of the assignment, ``[N, K]`` float64."""
    return ((as_matrix(logits).double() - centre) / temperature).log_softmax(dim=1)
