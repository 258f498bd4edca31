"""What the features of one file, or of several one after the other, are a sign of."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gramscope.diagnosis import NUMBERS, THRESHOLDS, Evidence, State
from gramscope.events import Event
from gramscope.monitor.account import Account
from gramscope.monitor.watch import Watch

__all__ = ["Sign", "Steps", "judge", "said", "signs", "steps_of"]

_MOST = 1 << 53

_ONE = (
    "Nothing is wrong that one look can show. Whether features have collapsed is seen against "
    "what they were: give files of earlier steps as well."
)
_IN_THE_DATA = (
    "One look cannot tell whether the data are so, or what made the features has made them so."
)
_SEVERAL = (
    "Nothing is wrong that {n} looks can show. To be called healthy, features have to be seen to "
    f"move: over {THRESHOLDS['settle_events'].default:g} files, or with --views."
)

# What is a sign by itself: a number, the side that is bad, and from where on.
_SIGNS: tuple[tuple[str, Literal["below", "above"], float], ...] = (
    ("spread", "below", 0.02),
    ("participation_ratio", "below", THRESHOLDS["line_rank"].default),
    ("duplicate_share", "above", THRESHOLDS["duplicates"].default),
    ("view_correlation_z", "below", 2.0),
)


@dataclass(frozen=True)
class Steps:
    """Which step each file is of."""

    of: list[int]
    counted: bool
    """Whether they only count files, or name epochs: then they are no optimizer steps."""


@dataclass(frozen=True)
class Sign:
    """A number at its bad end; no state, which takes a number that was better before."""

    evidence: Evidence
    why: str


def steps_of(paths: Sequence[Path]) -> Steps:
    """The number in each file's name where each has another, the last such; else a count."""
    found = [re.findall(r"\d+", path.stem) for path in paths]
    if len(paths) > 1 and len({*map(len, found)}) == 1:
        for place in reversed(range(len(found[0]))):
            numbers = [int(of[place]) for of in found]
            if len({*numbers}) == len(numbers) and max(numbers) < _MOST:
                named = all(re.search(r"step[\W_]*\d", path.stem, re.I) for path in paths)
                return Steps(numbers, not named)
    return Steps([*range(1, len(paths) + 1)], True)


def judge(events: Sequence[Event], steps: Steps) -> None:
    """Tell each event the state that features are in.

    A file is no odd batch, so that one is enough to begin a state, or to end it.
    """
    thresholds: dict[str, Any] = {"confirm_events": 1, "clear_events": 1}
    if steps.counted:
        thresholds["abrupt_steps"] = 0
    watch = Watch(thresholds, Account())
    for event in events:
        if event.metrics:
            watch.update(event)
    first = next((event for event in events if event.state), None)
    if first is not None and first.state is not None and first.state.name == "warming_up":
        text = said(first.state, len(events))
        first.change = {"since": first.step, "role": "", "evidence": [], "text": text}


def said(state: State, looks: int) -> str:
    """What a state says of files."""
    if state.name == "warming_up":
        return _ONE if looks == 1 else _SEVERAL.format(n=looks)
    if looks == 1 and state.name in ("duplicates", "views_identical"):
        return f"{state.sentence} {_IN_THE_DATA}"
    return state.sentence


def signs(metrics: Mapping[str, float], state: State) -> list[Sign]:
    """Which numbers are at their bad end, whatever they were before, that no state rests on."""
    known = {evidence.number for evidence in state.evidence}
    return [
        Sign(Evidence(name, metrics[name], side, limit), NUMBERS[name].why)
        for name, side, limit in _SIGNS
        if name in metrics
        and name not in known
        and (metrics[name] < limit if side == "below" else metrics[name] > limit)
    ]
