"""Which states of a diagnosis a callback can come to see.

Only the standard library is imported here, see `gramscope.config.callbacks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

__all__ = ["require_visible"]

_ROLES = {
    "teacher and student": (r"^teacher(?=_|$)", "student"),
    "head and backbone": (r"(?<![^_])head$", "backbone"),
}
"""What the name of one feature becomes in that of its opposite."""

_NUMBERS = {"views": "views", "teacher and student": "roles", "logits": "logits"}
"""What the numbers need that a state of such needs rests on."""


def require_visible(
    states: Iterable[str], watched: Mapping[str, str], metrics: str | tuple[str, ...]
) -> None:
    """Refuse states that settings cannot show.

    Args:
        states: Their names.
        watched: Feature keys by role; the role of a single feature is empty.
        metrics: Which numbers there are.

    Raises:
        ValueError: If a state needs features or numbers that are not there.
    """
    for state in states:
        if lacking := _lacking(state, watched, metrics):
            raise ValueError(
                f"Expected argument `stop_on` to hold states that can be seen with these settings, "
                f"but got {state!r}, which needs {lacking}."
            )


def _lacking(state: str, watched: Mapping[str, str], metrics: str | tuple[str, ...]) -> str | None:
    from gramscope.diagnosis import STATES  # not at the start of every Hydra application

    needs = STATES[state].needs
    if needs == "patches":
        return "patches, which nothing looks at yet"
    if needs in _ROLES and not any(_opposite(role, needs) in watched for role in watched):
        one, other = needs.split(" and ")
        return f"{one} and {other} among `features` of a RepresentationMonitor"
    if needs == "logits" and len([r for r in watched if not r.endswith("backbone")]) < 2:
        return "the logits of teacher and student among `features` of a RepresentationMonitor"
    kind = _NUMBERS.get(needs)
    if kind is not None and not _has(kind, metrics):
        return f"numbers of {kind}, which `metrics` leaves out"
    return None


def _opposite(role: str, needs: str) -> str | None:
    pattern, other = _ROLES[needs]
    opposite, found = re.subn(pattern, other, role)
    return opposite if found else None


def _has(kind: str, metrics: str | tuple[str, ...]) -> bool:
    from gramscope.diagnosis import NUMBERS

    if isinstance(metrics, str):
        return metrics == "standard"
    return any(NUMBERS[name].needs == kind for name in metrics)
