"""From a run's numbers to its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, astuple
from typing import Any

from gramscope.diagnosis.course import Course
from gramscope.diagnosis.rules import RULES, Case, Found, Rule, has_moved
from gramscope.diagnosis.state import Evidence, State
from gramscope.diagnosis.thresholds import thresholds as checked

__all__ = ["Diagnosis"]

_COLLAPSES = ("complete_collapse", "dimensional_collapse", "cluster_collapse")

_SEEN_ENOUGH = 3
_WISH_VIEWS = (
    "It is not known which rows are views of one sample: with `views` (or `feature_views` of the "
    "model) the diagnosis can also say whether they come to agree."
)

Key = tuple[int, str]
"""Which of the rules, and the feature that it is about."""


class Diagnosis:
    """Follows a run by its numbers. Knows nothing of tensors, trainers or files.

    Args:
        thresholds: Values other than their defaults, by name, see `THRESHOLDS`.

    Raises:
        ValueError: If a name is unknown or a value out of range.
        TypeError: If a value is no number.

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
        self._streaks: dict[Key, tuple[int, int]] = {}
        self._active: dict[Key, tuple[int, Found]] = {}
        self._warm = False
        self._step = 0
        self.state = State("warming_up")
        self.changes: list[tuple[int, State]] = []

    def update(self, step: int, metrics: Mapping[str, float]) -> State:
        """The state at a step, now that its numbers are known.

        Args:
            step: Optimizer step.
            metrics: The event's numbers by name, with ``<role>/`` before it where several features
                are watched. Numbers that are not there are silent.
        """
        self._step = step
        for role, numbers in sorted(_by_role(metrics).items(), key=_is_of_all):
            course = self._courses.setdefault(role, Course(role))
            course.update(step, numbers)
            for index, rule in enumerate(RULES):
                if self._is_asked(rule, role):
                    self._judge(step, (index, role), rule, course)
        state = self._present()
        if state.name != self.state.name:
            self.changes.append((step, state))
        self.state = state
        return state

    @property
    def wish(self) -> str | None:
        """What it would need to say more; ``None`` before it has seen enough to tell, or if it has.

        Asked again it is the same: say it once.
        """
        features = self._features()
        if not any(course.events >= _SEEN_ENOUGH for course in features):
            return None
        if not any("view_correlation" in course.first for course in features):
            return _WISH_VIEWS
        return None

    def memory(self) -> dict[str, Any]:
        """All that it goes by, for a checkpoint; values are those of JSON."""
        return {
            "courses": [course.memory() for course in self._courses.values()],
            "streaks": [[*key, *streak] for key, streak in self._streaks.items()],
            "active": [
                [*key, since, *map(astuple, of)] for key, (since, of) in self._active.items()
            ],
            "warm": self._warm,
            "state": asdict(self.state),
            "changes": [[step, asdict(state)] for step, state in self.changes],
        }

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Go on from what `memory` gave."""
        courses = map(Course.recall, memory["courses"])
        self._courses = {course.role: course for course in courses}
        self._streaks = {(rule, role): (began, n) for rule, role, began, n in memory["streaks"]}
        self._active = {
            (rule, role): (since, tuple(Evidence(*of) for of in found))
            for rule, role, since, *found in memory["active"]
        }
        self._warm = memory["warm"]
        self.state = State.of(memory["state"])
        self.changes = [(step, State.of(state)) for step, state in memory["changes"]]

    def _is_asked(self, rule: Rule, role: str) -> bool:
        """Whether a rule has a say; of a student less, where its teacher is watched as well."""
        teacher = f"teacher{role.removeprefix('student')}"
        if rule.state == "non_finite" or not role.startswith("student"):
            return True
        if teacher not in self._courses:
            return True
        return rule.of_students and not role.endswith("backbone")

    def _judge(self, step: int, key: Key, rule: Rule, course: Course) -> None:
        """Let a rule look at a feature: it begins a state, keeps it up, or ends it."""
        active = self._active.get(key)
        ease = self._at["ease"] if active else 1.0
        beside = self._backbone_of(course.role), self._courses.get("class")
        found = rule.holds(Case(course, self._at, ease, *beside))
        began, streak = self._streaks.pop(key, (step, 0))
        if active and found:
            self._active[key] = (active[0], found)
        if bool(active) == bool(found):  # nothing speaks for a change
            return
        confirm = 1 if rule.at_once else self._at["confirm_events"]
        if streak + 1 < (self._at["clear_events"] if active else confirm):
            self._streaks[key] = (began, streak + 1)
        elif active:
            del self._active[key]
        else:
            self._active[key] = (began, found)

    def _present(self) -> State:
        """The first of what is active, or none of it."""
        if self._active:
            index, role = key = min(self._active, key=self._gravity)
            since, found = self._active[key]
            name = self._named(RULES[index].state, role)
            return State(name, since, role, found, self._intact())
        self._warm = self._warm or any(map(self._has_learned, self._features()))
        name = "healthy" if self._warm else "warming_up"
        return self.state if self.state.name == name else State(name, self._step)

    def _gravity(self, key: Key) -> tuple[int, bool, int]:
        index, role = key
        return index, role.endswith("head"), list(self._courses).index(role)

    def _named(self, state: str, role: str) -> str:
        """A collapse of the head alone has a name of its own."""
        backbone = self._backbone_of(role)
        if backbone is None or state not in _COLLAPSES:
            return state
        hurt = {RULES[index].state for index, role in self._active if role == backbone.role}
        return state if hurt.intersection(_COLLAPSES) else "head_collapse"

    def _backbone_of(self, role: str) -> Course | None:
        """What stands before a head, if that is watched as well."""
        if not role.endswith("head"):
            return None
        return self._courses.get(f"{role.removesuffix('head')}backbone")

    def _intact(self) -> tuple[str, ...]:
        hurt = {role for _, role in self._active}
        return tuple(c.role for c in self._features() if c.role and c.role not in hurt)

    def _features(self) -> list[Course]:
        """Those that are features, and not what two of them have in common."""
        return [course for course in self._courses.values() if "offdiag_mean" in course.first]

    def _has_learned(self, course: Course) -> bool:
        """Whether features have left their beginnings."""
        if course.events < 2:
            return False
        if "view_correlation" in course.first:
            gained = course.first["view_correlation"] + self._at["agreement_gained"]
            return course.usual("view_correlation") > min(gained, self._at["agreement_had"])
        return course.events >= self._at["settle_events"] and has_moved(course, self._at["moved"])


def _is_of_all(numbers: tuple[str, dict[str, float]]) -> bool:
    """What is about all, or patches, comes after the features that it is judged beside."""
    return not numbers[0]


def _by_role(metrics: Mapping[str, float]) -> dict[str, dict[str, float]]:
    roles: dict[str, dict[str, float]] = {}
    for key, value in metrics.items():
        role, _, name = key.rpartition("/")
        roles.setdefault(role, {})[name] = value
    return roles
