"""How a DINO head assigns samples to its prototypes, from the logits that the loss sees.

Caron et al., "DINO", ICCV 2021, section 3.1. There are two opposite collapses: all samples to one
prototype (`teacher_entropy` near 0), and each sample to all of them (near ln K, the loss stuck at
ln K). In both the student has nothing left to learn, so that `teacher_student_kl` is near 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor

from gramscope.metrics.rows import as_matrix, finite_rows

__all__ = [
    "assignment",
    "assignment_entropy",
    "sinkhorn_entropy_normalised",
    "sinkhorn_knopp",
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
    return _mean_entropy(_assigned(logits, temperature, centre).exp())


def teacher_entropy_normalised(
    logits: Tensor, temperature: float = 0.04, centre: Tensor | float = 0.0
) -> float:
    """`teacher_entropy` over ln K: 0 to 1, whatever the number of prototypes; NaN for K = 1."""
    return _of_the_most(teacher_entropy(logits, temperature, centre), logits.shape[1])


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
    return _entropy_of_mean(_assigned(logits, temperature, centre).exp())


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
        raise _differ(teacher, student)
    t, s = _of_views(views, temperature, centre), _of_views(seen, student_temperature)
    return _divergence(t, s, same_views=teacher.ndim == student.ndim == 3)


def sinkhorn_knopp(logits: Tensor, temperature: float = 0.04, iterations: int = 3) -> Tensor:
    """The teacher's targets where Sinkhorn-Knopp takes the place of centring.

    Of ``exp(logits / temperature)``, prototypes (columns) and then samples (rows) are brought to
    equal sums by turns. Caron et al., "SwAV", NeurIPS 2020, section 3.1.

    Args:
        logits: ``[N, K]``, any floating dtype: the teacher's, of all rows of the event.
        temperature: The teacher's.
        iterations: How many turns, at least 1.

    Returns:
        ``[N, K]`` float64: rows sum to 1, columns to about N / K. With NaN or Inf, NaN.

    Raises:
        ValueError: If ``logits`` is not a floating ``[N, K]`` matrix, or there is no iteration.

    Example:
        >>> targets = sinkhorn_knopp(torch.tensor([[2.0, 0.0], [1.0, 0.0]]), 1.0, 9)
        >>> targets.round(decimals=2).tolist()
        [[0.62, 0.38], [0.38, 0.62]]
    """
    if iterations < 1:
        raise ValueError(f"Expected `iterations` to be at least 1, but got {iterations}.")
    x = as_matrix(logits).double() / temperature
    # The first turn is taken in logarithms. After it no sum can vanish: a column that summed to 1
    # has an entry of 1 / NK or more.
    p = (x - x.logsumexp(dim=0)).softmax(dim=1)
    for _ in range(iterations - 1):
        p /= p.sum(dim=0)
        p /= p.sum(dim=1, keepdim=True)
    return p


def sinkhorn_entropy_normalised(
    logits: Tensor, temperature: float = 0.04, iterations: int = 3
) -> float:
    """Mean entropy of a sample's `sinkhorn_knopp` target, over ln K.

    Args:
        logits: ``[N, K]``, any floating dtype: the teacher's, of all rows of the event.
        temperature: The teacher's.
        iterations: See `sinkhorn_knopp`.

    Returns:
        0 (one prototype for each sample) to 1 (all of them, as where samples are alike); NaN
        without rows and for K = 1.
    """
    entropy = _mean_entropy(sinkhorn_knopp(logits, temperature, iterations))
    return _of_the_most(entropy, logits.shape[1])


def assignment(
    teacher: Tensor,
    student: Tensor,
    *,
    temperature: float,
    student_temperature: float,
    centre: Tensor | float = 0.0,
    sinkhorn_iterations: int | None = None,
) -> dict[str, float]:
    """The numbers of an event's assignments, of the plain softmax but for those of Sinkhorn-Knopp.

    Args:
        teacher: ``[V, n, K]``, any floating dtype.
        student: ``[W, n, K]`` of the same samples, of which the first V views are the teacher's.
            Samples with NaN or Inf in any view are left out.
        temperature: The teacher's.
        student_temperature: The student's.
        centre: ``[K]``: the teacher's.
        sinkhorn_iterations: Of the teacher's `sinkhorn_knopp`; ``None``: it has none.

    Returns:
        By name, the numbers that have a value.

    Raises:
        ValueError: If the two are not floating, or not views of the same samples and prototypes.

    Example:
        >>> x = torch.zeros(2, 3, 8)
        >>> assignment(x, x, temperature=0.04, student_temperature=0.1)["teacher_student_kl"]
        0.0
    """
    if not teacher.ndim == student.ndim == 3 or teacher.shape[1:] != student.shape[1:]:
        raise _differ(teacher, student)
    teacher, student = _finite_samples(teacher, student)
    t = _of_views(teacher, temperature, centre)  # [V, n, K]
    p = t.flatten(0, 1).exp()
    found = {
        "teacher_entropy": _mean_entropy(p),
        "teacher_entropy_normalised": _of_the_most(_mean_entropy(p), p.shape[1]),
        "assignment_entropy": _entropy_of_mean(p),
        "teacher_student_kl": _divergence(t, _of_views(student, student_temperature)),
    }
    if sinkhorn_iterations is not None:
        found["sinkhorn_entropy_normalised"] = sinkhorn_entropy_normalised(
            teacher.flatten(0, 1), temperature, sinkhorn_iterations
        )
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _differ(teacher: Tensor, student: Tensor) -> ValueError:
    return ValueError(
        f"Expected logits of the same samples and prototypes, but got shapes "
        f"{list(teacher.shape)} and {list(student.shape)}."
    )


def _finite_samples(*logits: Tensor) -> Iterator[Tensor]:
    """Views ``[V, n, K]`` of the samples all of whose views are finite."""
    finite = [finite_rows(x.flatten(0, 1)).reshape(x.shape[:2]) for x in logits]
    samples = torch.cat(finite).all(dim=0)
    return (x if samples.all() else x[:, samples] for x in logits)


def _of_views(logits: Tensor, temperature: float, centre: Tensor | float = 0.0) -> Tensor:
    """Logarithms of the assignment, ``[V, n, K]`` float64."""
    return _assigned(logits.flatten(0, 1), temperature, centre).reshape(logits.shape)


def _assigned(logits: Tensor, temperature: float, centre: Tensor | float = 0.0) -> Tensor:
    """Logarithms of the assignment, ``[N, K]`` float64."""
    return ((as_matrix(logits).double() - centre) / temperature).log_softmax(dim=1)


def _mean_entropy(p: Tensor) -> float:
    return float(torch.special.entr(p).sum(dim=1).mean()) if len(p) else math.nan


def _entropy_of_mean(p: Tensor) -> float:
    return float(torch.special.entr(p.mean(dim=0)).sum()) if len(p) else math.nan


def _of_the_most(entropy: float, prototypes: int) -> float:
    return entropy / math.log(prototypes) if prototypes > 1 else math.nan


def _divergence(t: Tensor, s: Tensor, *, same_views: bool = True) -> float:
    """Mean over pairs of views, of logarithms of assignments ``[V, n, K]`` and ``[W, n, K]``."""
    pairs = [(i, j) for i, j in product(range(len(t)), range(len(s))) if not same_views or i != j]
    if not pairs or not t.shape[1]:
        return math.nan
    found = [(t[i].exp() * (t[i] - s[j])).sum(dim=1).mean() for i, j in pairs]
    return float(torch.stack(found).mean())
