"""A feature's numbers over a run, in little memory."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, nan

__all__ = ["Course"]


class Course:
    """What numbers are, and have been."""

    def __init__(self, role: str = "") -> None:
        self.role = role
        self.now: dict[str, float] = {}
        self.first: dict[str, float] = {}
        self.highest: dict[str, float] = {}
        self.lowest: dict[str, float] = {}
        self.events = 0

    def update(self, numbers: Mapping[str, float]) -> None:
        """Go on by one event."""
        self.events += 1
        self.now = dict(numbers)
        for name, value in numbers.items():
            self.first.setdefault(name, value)
            self.highest[name] = max(value, self.highest.get(name, -inf))
            self.lowest[name] = min(value, self.lowest.get(name, inf))

    def __getitem__(self, name: str) -> float:
        """A number of the present event; NaN, which no comparison is true of, if it has none."""
        return self.now.get(name, nan)

    def key(self, name: str) -> str:
        """What an event calls a number of this feature."""
        return f"{self.role}/{name}" if self.role else name
