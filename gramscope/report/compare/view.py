"""Two runs beside each other in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, RenderableType
from rich.text import Text

from gramscope.diagnosis import STATES, format_number
from gramscope.report.columns import layout
from gramscope.report.compare.result import Comparison, Number, Point, States
from gramscope.report.terminal import terminal

__all__ = ["print_comparison"]

_LONGEST = 60  # characters of a setting's value

_NOTHING = "—"


def print_comparison(comparison: Comparison) -> None:
    """Print what two runs were set to differently, their states, and their numbers."""
    with terminal() as console:
        for part in _parts(console, comparison):
            console.print(part)


def _parts(console: Console, comparison: Comparison) -> Iterator[RenderableType]:
    yield _line(f"A  {comparison.a}\nB  {comparison.b}")
    if comparison.settings:
        yield _line("")
        yield _settings(console, comparison)
    for states in comparison.states:
        yield Text(f"\n{states.thing}", style="bold", overflow="fold")
        yield from map(_line, _states(states))
        numbers = [n for n in comparison.numbers if n.thing == states.thing]
        if headlines := [n for n in numbers if n.headline]:
            yield _line("")
            yield _courses(console, headlines)
        parted = [(n.parted, n) for n in numbers if not n.headline and n.parted is not None]
        if parted:
            yield _line("\nother numbers that part, the first first")
            yield _ends(console, [n for _, n in sorted(parted, key=lambda one: one[0])])
    yield _line("")
    for name, only in ((comparison.a, comparison.only_a), (comparison.b, comparison.only_b)):
        if only:
            yield _line(f"only {name} has  {', '.join(only)}")
    for remark in comparison.remarks:
        yield _line(f"remark: {remark}")


def _line(text: str) -> Text:
    return Text(text, overflow="fold")


def _settings(console: Console, comparison: Comparison) -> RenderableType:
    keys = [setting.key for setting in comparison.settings]
    a = [_short(setting.a) for setting in comparison.settings]
    b = [_short(setting.b) for setting in comparison.settings]
    return layout(console, ["setting", "A", "B"], [keys, a, b])


def _short(value: str | None) -> str:
    value = _NOTHING if value is None else value
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"


def _states(states: States) -> Iterator[str]:
    yield f"state of A  {_course(states.a)}"
    yield f"state of B  {_course(states.b)}"
    if states.parted is not None:
        yield f"states part at step {states.parted}"


def _course(course: Sequence[tuple[int, str]]) -> str:
    said = [f"step {step} {STATES[name].title}" for step, name in course]
    return "; ".join(said) or "no event has numbers"


def _courses(console: Console, numbers: Sequence[Number]) -> RenderableType:
    """A row for each number of each run, with a column for each step of those that are kept."""
    steps = sorted({point.step for n in numbers for point in n.points[:-1]})
    rows = [(n, run) for n in numbers for run in "AB"]
    columns = {"number": [n.key if run == "A" else "" for n, run in rows]}
    columns["run"] = [run for _, run in rows]
    for step in steps:
        columns[f"step {step}"] = [_at(n, run, step) for n, run in rows]
    columns["last"] = [_value(n, run, n.end) for n, run in rows]
    columns["at step"] = [str(n.end.step if run == "A" else n.end.step_b) for n, run in rows]
    for heading, say in _SAID.items():
        columns[heading] = [say(n) if run == "A" else "" for n, run in rows]
    return layout(console, [*columns], [*columns.values()], [_style(n) for n, _ in rows])


def _ends(console: Console, numbers: Sequence[Number]) -> RenderableType:
    """A row for each number."""
    columns = {
        "number": [n.key for n in numbers],
        "last of A": [_value(n, "A", n.end) for n in numbers],
        "last of B": [_value(n, "B", n.end) for n in numbers],
        **{heading: [*map(say, numbers)] for heading, say in _SAID.items()},
    }
    return layout(console, [*columns], [*columns.values()], [*map(_style, numbers)])


def _style(number: Number) -> str:
    return "red" if number.worse == "b" else ""


def _at(number: Number, run: str, step: int) -> str:
    point = next((point for point in number.points if point.step == step), None)
    return _value(number, run, point) if point else _NOTHING


def _value(number: Number, run: str, point: Point) -> str:
    return format_number(number.name, point.a if run == "A" else point.b)


def _noise(number: Number) -> str:
    return _NOTHING if number.noise is None else f"{number.noise:.2g}"


def _parted(number: Number) -> str:
    return _NOTHING if number.parted is None else str(number.parted)


def _worse(number: Number) -> str:
    return (number.worse or "").upper()


_SAID = {"noise": _noise, "part at": _parted, "worse": _worse}
