"""An analysis in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gramscope.analyze.analysis import Analysis
from gramscope.analyze.looking import Looked
from gramscope.diagnosis import NUMBERS, with_ceiling
from gramscope.report.files import plain
from gramscope.report.terminal import terminal

__all__ = ["print_analysis"]

_MOST_COLUMNS = 5
_REMEDIES = {
    "labels are not known": " (--labels)",
    "views of samples are not known": " (--views)",
}


def print_analysis(found: Analysis) -> None:
    """Print what was read, the numbers, the state, and where more is."""
    with terminal() as console:
        for one in found.looks:
            for line in _read(one):
                console.print(line)
        console.print(Padding(_numbers(found.looks), (1, 0, 0, 0)))
        for line in [*_state(found), *_rest(found)]:
            console.print(line)


def _read(one: Looked) -> Iterator[Text]:
    subject = one.subject
    what = " ".join(filter(None, [str(subject.path), subject.name, str(subject.array)]))
    yield _text(what, "bold")
    every = "all" if one.chosen == subject.rows else f"{one.chosen} of"
    how = "" if one.chosen == subject.rows else ", evenly spread; the others were not looked at"
    yield _text(f"  {every} {subject.rows} rows{how}")
    for remark in one.remarks:
        yield _text(f"  {remark}")


def _numbers(looks: Sequence[Looked]) -> Table:
    """A line for each number, with a column for each file, or for some of many."""
    shown = _some(looks)
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("number", no_wrap=True)
    for one in shown:
        heading = f"step {one.event.step}" if len(looks) > 1 else "value"
        table.add_column(heading, no_wrap=True, justify="right")
    table.add_column("what it is", overflow="fold", ratio=1)
    there = {name for one in shown for name in one.event.metrics}
    for number in sorted(NUMBERS.values(), key=lambda number: not number.headline):
        if number.name in there:
            values = (_value(number.name, one) for one in shown)
            style = "bold" if number.headline else ""
            table.add_row(number.name, *values, number.sentence, style=style)
    return table


def _some(looks: Sequence[Looked]) -> list[Looked]:
    most = min(len(looks), _MOST_COLUMNS)
    return [looks[i * (len(looks) - 1) // max(1, most - 1)] for i in range(most)]


def _value(name: str, one: Looked) -> str:
    return with_ceiling(name, one.event.metrics) if name in one.event.metrics else "—"


def _state(found: Analysis) -> Iterator[Text]:
    state = found.state
    since = f" since step {state.since}" if len(found.looks) > 1 else ""
    title = f"{state.title}{since}: " if state.name != "warming_up" else ""
    yield _text("")
    yield _text(f"{title}{found.said}", "bold red" if state.alarm else "bold")
    if state.evidence:
        yield _text(f"  evidence  {'; '.join(map(str, state.evidence))}")
    if state.alarm:
        yield _text(f"  advice    {state.advice}")
    for sign in found.signs:
        yield _text(f"  a sign    {sign.evidence}: {sign.why}")


def _rest(found: Analysis) -> Iterator[Text]:
    for why, names in found.looks[-1].event.absent.items():
        yield _text(f"  not there {', '.join(names)}: {why}{_REMEDIES.get(why, '')}")
    yield _text("")
    for remark in found.remarks:
        yield _text(f"remark: {remark}")
    if found.save_dir is not None:
        yield _text(f"events  {found.save_dir}")
    if found.page is None:
        yield _text("For a page with the gram matrix add --output FILE.html")
    else:
        yield _text(f"page  {found.page}")


def _text(line: str, style: str = "") -> Text:
    return Text(plain(line), style=style, overflow="fold")
