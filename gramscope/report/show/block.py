"""Everything about one thing watched, below each other."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gramscope.report.show.heatmap import heatmap, legend, width_of
from gramscope.report.show.sparkline import sparkline
from gramscope.report.show.thing import Line, Picture, Thing

__all__ = ["account_of", "block", "style_of"]

_LONGEST, _SHORTEST = 48, 8
"""Characters of a sparkline."""

_INDENT = 2


def block(console: Console, thing: Thing, cells: int, advice: bool = True) -> RenderableType:
    """State, account, numbers and pictures of one thing.

    Args:
        console: Where it is printed.
        thing: What is shown.
        cells: On a side of a heatmap, at most; 0: there are none.
        advice: Whether an alarm says what to do.
    """
    below: list[RenderableType] = [
        Text(thing.state, style=style_of(thing), overflow="fold"),
        Text(account_of(thing), overflow="fold"),
    ]
    if advice and thing.advice:
        below.append(Text(thing.advice, overflow="fold"))
    if thing.teacher:
        below.append(Text(f"gram teacher: {thing.teacher}", overflow="fold"))
    width = console.width - _INDENT
    for role, lines in thing.lines.items():
        if role:
            below.append(Text(role, style="bold", overflow="fold"))
        below.append(_numbers(console, lines, width))
    if cells and console.is_terminal:
        below += _pictures(console, thing, cells, width)
    head = Text(f"{thing.run}  {thing.feature}", style="bold", overflow="fold")
    return Group(head, Padding(Group(*below), (0, 0, 1, _INDENT)))


def style_of(thing: Thing) -> str:
    """Of its state: red for an alarm."""
    if thing.spell is None:
        return ""
    kind = thing.spell.kind
    return "bold red" if kind.alarm else {"healthy": "green"}.get(kind.name, "yellow")


def account_of(thing: Thing) -> str:
    """How far the run is, what became of its events, and how long ago the last was."""
    history = thing.history
    logged, skipped = len(history.logged), history.skipped
    parts = [f"step {history.last_step}", f"{logged} logged"]
    if skipped:
        reasons = ", ".join(f"{reason} {count}" for reason, count in skipped.most_common())
        parts.append(f"{skipped.total()} skipped ({reasons})")
    parts.append(f"last event {_age(time.time() - thing.changed)} ago")
    return ", ".join([*parts, thing.missing] if thing.missing else parts)


def _age(seconds: float) -> str:
    for unit, size in {"d": 86400, "h": 3600, "min": 60}.items():
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _numbers(console: Console, lines: Sequence[Line], width: int) -> RenderableType:
    texts = [(line.name, line.last, line.worst) for line in lines]
    taken = [max(map(cell_len, column)) for column in zip(*texts, strict=True)]
    room = width - sum(taken) - 2 * len(taken)
    if room < _SHORTEST:
        return _paragraphs(console, lines, width)
    table = Table.grid(padding=(0, 2, 0, 0))
    for at in range(4):
        table.add_column(no_wrap=True, justify="right" if at == 1 else "left")
    for line, (name, last, worst) in zip(lines, texts, strict=True):
        course = _course(console, line, min(room, _LONGEST))
        table.add_row(Text(name, style=_style(line)), Text(last), Text(worst), Text(course))
    return table


def _paragraphs(console: Console, lines: Sequence[Line], width: int) -> RenderableType:
    """The same where there is no room for it in one line."""
    parts: list[RenderableType] = []
    for line in lines:
        worst = f" ({line.worst})" * bool(line.worst)
        parts.append(Text(f"{line.name} {line.last}{worst}", style=_style(line), overflow="fold"))
        parts.append(Text(_course(console, line, min(width, _LONGEST))))
    return Group(*parts)


def _course(console: Console, line: Line, width: int) -> str:
    ascii_only = console.options.ascii_only
    return sparkline(line.name, line.series, max(width, 1), ascii_only=ascii_only)


def _style(line: Line) -> str:
    return "red" if line.amiss else ""


def _pictures(console: Console, thing: Thing, cells: int, width: int) -> Iterator[RenderableType]:
    if not thing.pictures:
        return
    cells = min(cells, width if width_of(console, 1) == 1 else width // 2)
    first = thing.pictures[0]
    n = len(first.gram)
    said = Text(f"gram matrix of step {first.step}, {n} x {n}, ", overflow="fold")
    said.append(legend(console))
    yield Padding(said, (1, 0, 0, 0))
    yield Columns([_picture(console, one, cells) for one in thing.pictures], padding=(0, 2))


def _picture(console: Console, picture: Picture, cells: int) -> RenderableType:
    shown = heatmap(console, picture.gram, cells)
    table = Table.grid()
    table.add_column(width=max(cell_len(line) for line in shown.plain.split("\n")))
    if picture.role:
        table.add_row(Text(picture.role, overflow="fold"))
    table.add_row(shown)
    return table
