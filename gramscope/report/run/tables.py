"""What the page of a run says without its script: in tables, as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gramscope.diagnosis import format_number, number_of, with_ceiling
from gramscope.report.history import History
from gramscope.report.run.content import known_numbers
from gramscope.report.run.panels import Panel
from gramscope.report.runs import Run
from gramscope.report.spells import Spell
from gramscope.report.summary import bad_ends
from gramscope.report.teacher import teacher_of

__all__ = ["Account", "Line", "accounts", "lines"]

_MOST_REMARKS = 200


@dataclass(frozen=True)
class Line:
    """One number, of each panel."""

    name: str
    says: str
    headline: bool
    finals: list[str]
    worst: list[str]


def lines(panels: Sequence[Panel]) -> list[Line]:
    """A line for each number: its last value and its bad end, of each panel."""
    return [_line(name, panels) for name in known_numbers(panels)]


def _line(name: str, panels: Sequence[Panel]) -> Line:
    number = number_of(name)
    return Line(
        name=name,
        says=f"{number.sentence} {number.why}" if number else "",
        headline=bool(number and number.headline),
        finals=[_final(name, panel) for panel in panels],
        worst=[_worst(name, panel) for panel in panels],
    )


def _final(name: str, panel: Panel) -> str:
    finals = {key: s.final[1] for key, s in panel.summary.items() if s.final}
    return with_ceiling(name, finals) if name in finals else "—"


def _worst(name: str, panel: Panel) -> str:
    summary = panel.summary.get(name)
    if summary is None or summary.constant is not None:
        return ""
    ends = [getattr(summary, end) for end in bad_ends(name).values()]
    return " … ".join(f"{format_number(name, value)} at {step}" for step, value in ends)


@dataclass(frozen=True)
class Account:
    """What became of the events of one thing that was watched."""

    run: Run
    history: History
    spells: list[Spell]
    teacher: str
    """Which snapshot to take as the teacher of gram anchoring, in words; or empty."""
    logged: int
    pictures: int
    skipped: dict[str, int]
    remarks: list[tuple[int, str]]
    """Steps and what their events lack, or why they were skipped."""
    more: int
    """Remarks that are left out."""


def accounts(panels: Sequence[Panel], runs: Sequence[Run]) -> Iterator[Account]:
    """The account of each thing that some runs watched."""
    states = {id(panel.watched): panel.spells for panel in panels}
    for run in runs:
        for history in run.watched:
            if id(history) in states:
                yield _account(run, history, states[id(history)])


def _account(run: Run, history: History, states: list[Spell]) -> Account:
    remarks = [(step, event.reason) for step, event in history.events.items() if event.reason]
    return Account(
        run=run,
        history=history,
        spells=states,
        teacher=teacher_of(history),
        logged=len(history.logged),
        pictures=len(history.pictured),
        skipped=dict(history.skipped.most_common()),
        remarks=remarks[:_MOST_REMARKS],
        more=max(0, len(remarks) - _MOST_REMARKS),
    )
