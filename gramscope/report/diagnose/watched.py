"""What the numbers of finished runs say, by the events that they kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gramscope.diagnosis import STATES, Diagnosis, State
from gramscope.report.files import ReportError, plain, search
from gramscope.report.history import History, read_watched
from gramscope.report.teacher import best_of

__all__ = ["Watched", "as_json", "diagnose"]


@dataclass
class Watched:
    """One thing watched in one run, and what its numbers say of it."""

    run: Path
    """The directory that was asked about."""
    file: Path
    """The account that its events are in."""
    history: History
    state: State
    """At the end."""
    course: list[tuple[int, State]]
    """The state at the first event with numbers, and each that followed; empty without any."""
    wish: str | None
    """What it would take to say more."""
    remarks: list[str] = field(default_factory=list)

    @property
    def steps(self) -> list[int]:
        """Those whose events have numbers."""
        return _with_numbers(self.history)

    def among(self, states: Collection[str], ever: bool = False) -> list[str]:
        """Which of some states it was in.

        Args:
            states: Names.
            ever: Whether states count that it was in on the way, or only the last.
        """
        passed = {state.name for _, state in self.course} if ever else set()
        return [name for name in STATES if name in states and name in {*passed, self.state.name}]


def diagnose(
    directories: Sequence[Path],
    thresholds: Mapping[str, float] | None = None,
    *,
    strict: bool = False,
) -> tuple[list[Watched], list[str]]:
    """Go through the events of runs as a callback did while they were made.

    Args:
        directories: Those of runs, or any that hold an ``events.jsonl`` somewhere below.
        thresholds: Values other than their defaults, by name.
        strict: Whether a run that cannot be read is an error beside others that can.

    Returns:
        All that was watched, and what could not be read.

    Raises:
        ReportError: If a threshold is unknown or out of range, or a directory holds no event that
            can be read.
    """
    try:
        Diagnosis(thresholds)
    except (TypeError, ValueError) as error:
        raise ReportError(str(error)) from None
    watched, remarks = [], []
    for directory in directories:
        found, trouble = _of_run(directory, thresholds, strict)
        watched += found
        remarks += trouble
    return watched, remarks


def _of_run(
    directory: Path, thresholds: Mapping[str, float] | None, strict: bool
) -> tuple[list[Watched], list[str]]:
    _, files, remarks = search(directory, "a run")
    if not files:
        raise ReportError(
            f"{directory} holds no events.jsonl: runs keep one where their callback or "
            "monitor has a save_dir, as with gram/files=run"
        )
    watched = []
    for file in files:
        try:
            histories, problems = read_watched(file)
        except OSError as error:
            remarks.append(f"{plain(file)} cannot be read ({error.strerror})")
            if strict:
                raise ReportError(remarks[-1]) from None
            continue
        watched += [_watched(directory, file, history, thresholds) for history in histories]
        remarks += [f"{plain(file.parent)}: {problem}" for problem in problems]
    if not watched:
        raise ReportError("; ".join([f"{directory} holds no event", *remarks]))
    return watched, remarks


def _watched(
    directory: Path, file: Path, history: History, thresholds: Mapping[str, float] | None
) -> Watched:
    diagnosis = Diagnosis(thresholds)
    first = diagnosis.state
    steps = _with_numbers(history)
    for step in steps:
        diagnosis.update(step, history.events[step].metrics)
    course = list(diagnosis.changes)
    if steps and (not course or course[0][0] > steps[0]):
        course.insert(0, (steps[0], first))
    wish = diagnosis.wish
    watched = Watched(directory, file, history, diagnosis.state, course, wish)
    watched.remarks += _remarks(watched, bool(thresholds))
    return watched


def _with_numbers(history: History) -> list[int]:
    return [step for step, event in history.events.items() if event.metrics]


def _remarks(watched: Watched, changed: bool) -> list[str]:
    if not watched.steps:
        reasons = sorted(watched.history.skipped.items())
        why = ", ".join(f"{reason} {count}" for reason, count in reasons)
        return [f"no event has numbers ({why or 'none were asked for'})"]
    last = watched.history.events[watched.steps[-1]].diagnosis
    # Whatever a damaged line holds there, only a state's name is one.
    said = next((name for name in STATES if name == last), watched.state.name)
    if changed or said == watched.state.name:
        return []
    return [f"while it ran it said {said} at the end: its callback may have other thresholds"]


def as_json(
    watched: Sequence[Watched],
    remarks: Sequence[str],
    fail_on: Collection[str] = (),
    ever: bool = False,
) -> dict[str, Any]:
    """All of it for machines; docs/diagnosis.md says what each key is."""
    of_all = [{**_as_json(one), "failed_on": one.among(fail_on, ever)} for one in watched]
    return {"watched": of_all, "remarks": list(remarks)}


def _as_json(one: Watched) -> dict[str, Any]:
    state = one.state
    steps = one.steps
    best = best_of(one.history)
    return {
        "run": str(one.run),
        "file": str(one.file),
        "log_key": one.history.log_key,
        "feature_key": one.history.feature_key,
        "name": one.history.title,
        "state": {
            **_names(state),
            "since": state.since,
            "sentence": state.sentence,
            "evidence": [asdict(evidence) for evidence in state.evidence],
            "intact": list(state.intact),
            "advice": state.advice,
        },
        "course": [{"step": step, **_names(state)} for step, state in one.course],
        "best_snapshot": best and {"step": best.step, "text": best.text},
        "events": len(one.history.events),
        "events_with_numbers": len(steps),
        "first_step": steps[0] if steps else None,
        "last_step": steps[-1] if steps else None,
        "wish": one.wish,
        "remarks": one.remarks,
    }


def _names(state: State) -> dict[str, Any]:
    return {"name": state.name, "code": state.code, "alarm": state.alarm, "role": state.role}
