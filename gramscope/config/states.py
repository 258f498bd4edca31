"""Which states of a diagnosis a callback can come to see.

Only the standard library is imported here, see `gramscope.config.callbacks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

__all__ = ["NUMBERS", "require_visible"]

_ROLES = {
    "teacher and student": (r"^teacher(?=_|$)", "student"),
    "head and backbone": (r"(?<![^_])head$", "backbone"),
}
"""What the name of one feature becomes in that of its opposite."""

NUMBERS = {
    "complete_collapse": ("spread",),
    "dimensional_collapse": ("effective_rank",),
    "cluster_collapse": ("duplicate_share", "spread"),
    "head_collapse": ("effective_rank",),
    "duplicates": ("duplicate_share", "spread"),
    "non_finite": ("nonfinite_rows",),
    "views_identical": ("view_correlation",),
    "stalled": ("view_correlation",),
    "teacher_student_divergence": ("teacher_student_cka",),
    "uniform_assignment": ("teacher_entropy_normalised", "teacher_student_kl"),
    "single_prototype": ("assignment_entropy",),
    "dense_degradation": ("dense_inter", "spread", "effective_rank"),
}
"""Which numbers a state is never seen without."""


def require_visible(
    states: Iterable[str],
    watched: Mapping[str, str],
    metrics: str | tuple[str, ...],
    *,
    patches: bool = False,
) -> None:
    """Refuse states that settings cannot show.

    Args:
        states: Their names.
        watched: Feature keys by role; the role of a single feature is empty.
        metrics: Which numbers there are.
        patches: Whether what is watched are patches, with their class token beside them.

    Raises:
        ValueError: If a state needs features or numbers that are not there.
    """
    for state in states:
        if lacking := _lacking(state, watched, metrics, patches):
            raise ValueError(
                f"Expected argument `stop_on` to hold states that can be seen with these settings, "
                f"but got {state!r}, which needs {lacking}."
            )


def _lacking(
    state: str, watched: Mapping[str, str], metrics: str | tuple[str, ...], patches: bool
) -> str | None:
    from gramscope.diagnosis import STATES  # not at the start of every Hydra application

    needs = STATES[state].needs
    if needs == "patches" and not patches:
        return "patches, which only `gram_patch` looks at"
    if needs in _ROLES and not any(_opposite(role, needs) in watched for role in watched):
        one, other = needs.split(" and ")
        return f"{one} and {other} among `features` of a RepresentationMonitor"
    if needs == "logits" and len([r for r in watched if not r.endswith("backbone")]) < 2:
        return "the logits of teacher and student among `features` of a RepresentationMonitor"
    absent = [name for name in NUMBERS.get(state, ()) if not _has(name, metrics)]
    return f"{' and '.join(absent)}, which `metrics` leaves out" if absent else None


def _opposite(role: str, needs: str) -> str | None:
    pattern, other = _ROLES[needs]
    opposite, found = re.subn(pattern, other, role)
    return opposite if found else None


def _has(number: str, metrics: str | tuple[str, ...]) -> bool:
    if metrics == "gram":
        return number == "nonfinite_rows"
    return metrics == "standard" or number in metrics
