"""A feature's numbers over a run, in little memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, nan
from typing import Any

__all__ = ["Course"]

_RECENT = 3


class Course:
    """What the numbers of one feature are, and have been.

    Args:
        role: The feature; empty where there is one only.
    """

    def __init__(self, role: str = "") -> None:
        self.role = role
        self.events = 0
        self.steps = 0
        self.began: int | None = None
        self.now: dict[str, float] = {}
        self.first: dict[str, float] = {}
        self.highest: dict[str, float] = {}
        self.highest_usual: dict[str, float] = {}
        self.recent: dict[str, list[float]] = {}

    def update(self, step: int, numbers: Mapping[str, float]) -> None:
        """Go on by one event, of an optimizer step."""
        self.events += 1
        self.began = step if self.began is None else self.began
        self.steps = step - self.began
        self.now = dict(numbers)
        for name, value in numbers.items():
            self.first.setdefault(name, value)
            recent = self.recent[name] = [*self.recent.get(name, [])[1 - _RECENT :], value]
            self.highest[name] = max(value, self.highest.get(name, -inf))
            self.highest_usual[name] = max(_median(recent), self.highest_usual.get(name, -inf))

    def __getitem__(self, name: str) -> float:
        """A number of the present event; NaN, which no comparison is true of, if it has none."""
        return self.now.get(name, nan)

    def usual(self, name: str) -> float:
        """The median of the last three, so that one odd batch says nothing; NaN if it is not there.

        Of two it is the lower mean: there is no majority yet.
        """
        return _median(self.recent[name]) if name in self.now else nan

    def key(self, name: str) -> str:
        """What an event calls a number of this feature."""
        return f"{self.role}/{name}" if self.role else name

    def memory(self) -> dict[str, Any]:
        """All of it, for `recall`."""
        return dict(vars(self))

    @classmethod
    def recall(cls, memory: Mapping[str, Any]) -> Course:
        """What `memory` gave."""
        course = cls()
        vars(course).update(memory)
        return course


def _median(values: Sequence[float]) -> float:
    """As `statistics.median`, which costs a long run's report a second more."""
    ordered, half = sorted(values), len(values) // 2
    return ordered[half] if len(values) % 2 else (ordered[half - 1] + ordered[half]) / 2
