"""What a comparison of two runs comes to."""

from __future__ import annotations

from dataclasses import dataclass

from gramscope.report.compare.parting import LIMIT
from gramscope.report.compare.settings import Setting

__all__ = ["Comparison", "Number", "Point", "States", "worse_by"]


@dataclass(frozen=True)
class Point:
    """A number of both runs."""

    step: int
    a: float
    b: float
    step_b: int
    """Another than ``step`` only where no step has the number in both runs."""

    @property
    def difference(self) -> float:
        """The second run's value less the first's."""
        return self.b - self.a


@dataclass(frozen=True)
class Number:
    """One number that both runs have."""

    thing: str
    """What was watched."""
    feature: str
    """Which of several features that were watched together; empty where there is one only, or
    it is of all."""
    name: str
    headline: bool
    points: list[Point]
    """At evenly spread common steps, the same of all numbers of a thing, as far as both runs have
    it there; the last is the last that both have."""
    common: int
    """How many steps have it in both runs; 0: the only point has the last value of each run."""
    noise: float | None
    """How much it changes from one event to the next; ``None``: there are too few events."""
    parted: int | None
    """The step at which the runs part in it; ``None``: they do not."""
    worse: str | None
    """Which run is worse at the end, ``a`` or ``b``, by more than three times the noise; ``None``:
    neither, or none can be told to be."""

    @property
    def key(self) -> str:
        """What events call it."""
        return f"{self.feature}/{self.name}" if self.feature else self.name

    @property
    def end(self) -> Point:
        """At the last common step."""
        return self.points[-1]

    @property
    def tolerance(self) -> float:
        """By how much values may differ that are taken for the same."""
        return LIMIT * (self.noise or 0.0)


@dataclass(frozen=True)
class States:
    """The states of one thing that both runs watched."""

    thing: str
    a: list[tuple[int, str]]
    """Step and name of each that the first run went through."""
    b: list[tuple[int, str]]
    parted: int | None
    """The first common step from which on they differ until the end; ``None``: they end alike."""


@dataclass(frozen=True)
class Comparison:
    """All of it; nothing in it knows how it is shown."""

    a: str
    """What the first run is called."""
    b: str
    settings: list[Setting]
    """What they were set to differently."""
    states: list[States]
    numbers: list[Number]
    only_a: list[str]
    """Things, features and numbers that only the first run has."""
    only_b: list[str]
    remarks: list[str]
    """What could not be read or compared."""


def worse_by(end: str | None, point: Point) -> float:
    """By how much the second run is worse than the first; negative where it is better.

    Args:
        end: Which end of the number is the bad one, ``low`` or ``high``; else it is never worse.
        point: Where.
    """
    return {"low": -point.difference, "high": point.difference}.get(end or "", 0.0)
