"""What is shown of one thing that a run watches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gramscope.diagnosis import NUMBERS, format_number, number_of, with_ceiling
from gramscope.events.matrix import MatrixError, read_matrix
from gramscope.report.files import plain
from gramscope.report.history import Columns, History, features_of, gram_of, role_names
from gramscope.report.spells import Spell, spells
from gramscope.report.summary import MetricSummary, bad_ends, summary_of
from gramscope.report.teacher import teacher_of

__all__ = ["Line", "Picture", "Thing"]

_TRIED = 3
"""Of the last pictures, how many are tried: a file may be written or moved just now."""


@dataclass(frozen=True)
class Line:
    """One number over a run."""

    name: str
    last: str
    """Its value at the last logged step, as text; a dash if it has none there."""
    worst: str
    """Its bad end and where that was, or its range; empty if it never changed."""
    series: list[tuple[int, float]]
    """Steps and values."""
    amiss: bool
    """Whether the state rests on it."""


@dataclass(frozen=True)
class Picture:
    """The gram matrix of one feature."""

    role: str
    """Empty where there is one feature only."""
    step: int
    gram: npt.NDArray[np.float32]


@dataclass
class Thing:
    """One thing that a run watches: a feature, or several that are watched together."""

    run: str
    """What the run is called."""
    feature: str
    """What the thing is called among those of its run."""
    history: History
    numbers: Columns
    """Those of its events."""
    changed: float
    """When its account was last written to, in seconds since 1970."""
    reads: int = 0
    """How often its account had something new when this was made."""

    @cached_property
    def spell(self) -> Spell | None:
        """The state that it is in; ``None``: no event has a number."""
        found = spells(self.history)
        return found[-1] if found else None

    @property
    def state(self) -> str:
        """The state and since when."""
        return _said(self.spell)[0]

    @property
    def advice(self) -> str:
        """What an alarm says; empty if there is none."""
        return _said(self.spell)[1] if self.spell and self.spell.kind.alarm else ""

    @cached_property
    def teacher(self) -> str:
        """Which snapshot to take as the teacher of gram anchoring, in words; or empty."""
        return teacher_of(self.history)

    @cached_property
    def roles(self) -> list[str]:
        """Its features; the empty name where there is one only."""
        return features_of(self.numbers)

    @cached_property
    def lines(self) -> dict[str, list[Line]]:
        """By feature, the numbers that charts show, and those that are amiss.

        What is of several features together has the empty name.
        """
        roles = dict.fromkeys([*self.roles, *role_names(self.numbers), ""])
        found = {role: [*self._lines(role)] for role in roles}
        return {role: lines for role, lines in found.items() if lines}

    def _lines(self, role: str) -> Iterator[Line]:
        events = self.history.events
        last = next((step for step in reversed(events) if events[step].logged), None)
        for name, number in NUMBERS.items():
            key = f"{role}/{name}" if role else name
            amiss = key in self._evidence
            if not number.headline and not amiss and number.sound is None:
                continue
            series = [*self.numbers.get(key, {}).items()]
            if not series:
                continue
            summary = summary_of(series, last)
            if number.sound is not None and number.sound == summary.constant:
                continue
            final = with_ceiling(key, events[summary.final[0]].metrics) if summary.final else "—"
            worst = _worst(key, summary)
            yield Line(name, final, worst, series, amiss or number.sound is not None)

    @cached_property
    def _evidence(self) -> set[str]:
        """Keys of the numbers that the state rests on, as far as the account says."""
        change: Any = self.history.events[self.spell.first].change if self.spell else None
        evidence = change.get("evidence") if isinstance(change, Mapping) else None
        found = evidence if isinstance(evidence, list) else []
        numbers = [one.get("number") for one in found if isinstance(one, Mapping)]
        return {
            plain(number) for number in numbers if isinstance(number, str) and number_of(number)
        }

    @cached_property
    def pictures(self) -> list[Picture]:
        """Of each feature the last matrix that can be read."""
        for step in reversed(self.history.pictured[-_TRIED:]):
            try:
                matrix = read_matrix(self.history.matrix_file(step))
                grams = {role: gram_of(matrix, role or None)[0] for role in self.roles}
            except MatrixError:
                continue
            return [Picture(role, step, gram) for role, gram in grams.items()]
        return []

    @property
    def missing(self) -> str:
        """Why there is no picture, if there should be one."""
        return "" if self.pictures or not self.history.pictured else "no picture data can be read"


def _worst(key: str, summary: MetricSummary) -> str:
    ends = [] if summary.constant is not None else [*bad_ends(key).values()]
    points = [getattr(summary, end) for end in ends]
    texts = [format_number(key, value) for _, value in points]
    return f"worst {texts[0]} at {points[0][0]}" if len(ends) == 1 else "..".join(texts)


def _said(spell: Spell | None) -> tuple[str, str]:
    if spell is None:
        return "no numbers yet", ""
    since = f"{spell.title} since step {spell.first}"
    if not spell.text.startswith(spell.title):
        return since, spell.text
    head, _, rest = spell.text.partition(": ")
    return head, rest
