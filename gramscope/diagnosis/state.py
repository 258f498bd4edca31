"""The state that a run is in, and what says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gramscope.diagnosis.states import STATES, Kind

__all__ = ["Evidence", "State"]


@dataclass(frozen=True)
class Evidence:
    """A number on the wrong side of a threshold."""

    number: str
    """Its key in the event, with the feature before it: ``teacher_head/spread``."""
    value: float
    sign: Literal["below", "above"]
    threshold: float
    why: str = ""
    """Where the threshold comes from, if it is a share of what the run has shown before."""

    def __str__(self) -> str:
        limit = f"{self.threshold:.3g} {self.why}".strip()
        return f"{self.number} {self.value:.3g} ({self.sign} {limit})"


@dataclass(frozen=True)
class State:
    """What a diagnosis says at a step."""

    name: str
    since: int = 0
    """Step of the event with which it began."""
    role: str = ""
    """The feature that it is seen in; empty where there is one only, or it is about all."""
    evidence: tuple[Evidence, ...] = ()
    intact: tuple[str, ...] = field(default=(), compare=False)
    """Features that were judged as well and are in none such."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> State:
        """From what `dataclasses.asdict` gave, or JSON of it."""
        evidence = tuple(Evidence(**found) for found in values["evidence"])
        return cls(**{**values, "evidence": evidence, "intact": tuple(values["intact"])})

    @property
    def kind(self) -> Kind:
        """What there is to know of it in general."""
        return STATES[self.name]

    @property
    def code(self) -> int:
        """What loggers receive."""
        return self.kind.code

    @property
    def alarm(self) -> bool:
        """Whether something is wrong."""
        return self.kind.alarm

    @property
    def advice(self) -> str:
        """What to look at next."""
        return self.kind.advice

    @property
    def title(self) -> str:
        """A few words, for a bar or a picture: ``dimensional collapse (teacher head)``."""
        return self.kind.title + (self._of if "{of}" in self.kind.sentence else "")

    @property
    def sentence(self) -> str:
        """What it is, and in what."""
        return self.kind.sentence.format(of=self._of)

    @property
    def text(self) -> str:
        """All of it: what, since when, by which numbers, and what to do."""
        said = [f"{self.title} since step {self.since}: {self.sentence}"]
        if self.evidence:
            said.append("; ".join(map(str, self.evidence)) + ".")
        if self.intact:
            said.append(f"Intact: {', '.join(map(_words, self.intact))}.")
        return " ".join([*said, self.advice])

    @property
    def _of(self) -> str:
        return f" ({_words(self.role)})" if self.role else ""


def _words(role: str) -> str:
    return role.replace("_", " ")
