"""One rule for each state: what numbers speak for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from gramscope.diagnosis.course import Course
from gramscope.diagnosis.state import Evidence

__all__ = ["RULES", "Rule"]

Limits = Mapping[str, float]
Rule = Callable[[Course, Limits], tuple[Evidence, ...]]
"""Evidence, or none where a number says otherwise or is not there."""


def _is(course: Course, name: str, sign: Literal["below", "above"], limit: float) -> list[Evidence]:
    value = course[name]
    holds = value < limit if sign == "below" else value > limit
    return [Evidence(course.key(name), value, sign, limit)] if holds else []


def non_finite(course: Course, at: Limits) -> tuple[Evidence, ...]:
    """Rows hold NaN or Inf."""
    return tuple(_is(course, "nonfinite_rows", "above", 0))


def complete_collapse(course: Course, at: Limits) -> tuple[Evidence, ...]:
    """The unit vectors hardly vary."""
    return tuple(_is(course, "spread", "below", 0.01))


RULES: dict[str, Rule] = {"non_finite": non_finite, "complete_collapse": complete_collapse}
"""By state, the gravest first."""
