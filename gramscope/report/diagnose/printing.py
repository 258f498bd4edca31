"""The states of runs in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gramscope.report.diagnose.watched import Watched
from gramscope.report.files import plain
from gramscope.report.teacher import teacher_of
from gramscope.report.terminal import terminal

__all__ = ["print_states", "title"]


def print_states(watched: Sequence[Watched], remarks: Sequence[str]) -> None:
    """Print a paragraph for each thing watched, and what could not be read."""
    with terminal() as console:
        for one in watched:
            console.print(_paragraph(one))
        for remark in remarks:
            console.print(Text(f"remark: {remark}", overflow="fold"))


def title(one: Watched) -> str:
    """What was watched, and where: logger's key, feature, and the directory of its events."""
    history = one.history
    return f"{history.log_key}  {history.title}  {plain(one.file.parent)}"


def _paragraph(one: Watched) -> RenderableType:
    state = one.state
    said = f"{state.title} since step {state.since}: {state.sentence}"
    details = Table.grid(padding=(0, 2, 0, 0))
    details.add_column(no_wrap=True)
    details.add_column(overflow="fold")
    for heading, value in _details(one):
        details.add_row(Text(heading), Text(value))
    return Group(
        Text(title(one), style="bold", overflow="fold"),
        Padding(Text(said, style="bold red" if state.alarm else "", overflow="fold"), (0, 0, 0, 2)),
        Padding(details, (0, 0, 1, 2)),
    )


def _details(one: Watched) -> Iterator[tuple[str, str]]:
    state = one.state
    if state.evidence:
        yield "evidence", "; ".join(map(str, state.evidence))
    if state.intact:
        yield "intact", ", ".join(state.intact)
    yield "advice", state.advice
    if one.course:
        yield "course", "; ".join(f"step {step} {s.title}" for step, s in one.course)
    if teacher := teacher_of(one.history):
        yield "gram teacher", teacher
    yield "rests on", _rests_on(one)
    if one.wish:
        yield "to say more", one.wish
    for remark in one.remarks:
        yield "remark", remark


def _rests_on(one: Watched) -> str:
    steps, due = one.steps, len(one.history.events)
    span = f", steps {steps[0]} to {steps[-1]}" if steps else ""
    return f"{len(steps)} of {due} events have numbers{span}"
