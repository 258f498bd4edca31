"""From a run's numbers to its state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gramscope.diagnosis.course import Course
from gramscope.diagnosis.state import Evidence, State
from gramscope.diagnosis.thresholds import thresholds as checked

__all__ = ["Diagnosis"]


class Diagnosis:
    """Follows a run by its numbers. Knows nothing of tensors, trainers or files.

    Args:
        thresholds: Values other than their defaults, by name, see `THRESHOLDS`.

    Raises:
        ValueError: If a name is unknown or a value out of range.

    Attributes:
        state: The present one.
        changes: ``(step, state)`` at each change.

    Example:
        >>> Diagnosis().update(1, {"spread": 0.7}).name
        'warming_up'
    """

    def __init__(self, thresholds: Mapping[str, Any] | None = None) -> None:
        self._at = checked(thresholds)
        self._courses: dict[str, Course] = {}
        self._holds: dict[tuple[str, str], int] = {}
        self._active: dict[tuple[str, str], tuple[int, tuple[Evidence, ...]]] = {}
        self.state = State("warming_up")
        self.changes: list[tuple[int, State]] = []

    def update(self, step: int, metrics: Mapping[str, float]) -> State:
        """The state at a step, now that its numbers are known.

        Args:
            step: Optimizer step.
            metrics: The event's numbers by name, with ``<role>/`` before it where several features
                are watched. Numbers that are not there are silent.
        """
        for role, numbers in _by_role(metrics).items():
            self._courses.setdefault(role, Course(role)).update(numbers)
        state = State("warming_up")
        if (state.name, state.role) != (self.state.name, self.state.role):
            self.changes.append((step, state))
        self.state = state
        return state


def _by_role(metrics: Mapping[str, float]) -> dict[str, dict[str, float]]:
    roles: dict[str, dict[str, float]] = {}
    for key, value in metrics.items():
        role, _, name = key.rpartition("/")
        roles.setdefault(role, {})[name] = value
    return roles
