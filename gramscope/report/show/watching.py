"""Runs followed while they train, until Ctrl-C."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from types import FrameType

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from gramscope.report.files import plain
from gramscope.report.show.following import Following
from gramscope.report.show.overview import rows
from gramscope.report.show.printing import print_view
from gramscope.report.show.view import fitted

__all__ = ["watch"]


def watch(directories: Sequence[Path], every_s: float, cells: int) -> None:
    """Show runs again and again; where that is no terminal, a line whenever something is new.

    Args:
        directories: Those of the runs, which need not be there yet.
        every_s: Seconds between two looks.
        cells: On a side of a heatmap, at most.
    """
    following = Following(directories)
    console = Console()
    try:
        with _ended_by_a_signal():
            if console.is_terminal and not console.is_dumb_terminal:
                _redraw(console, following, directories, every_s, cells)
            else:
                _lines(following, directories, every_s)
    except KeyboardInterrupt:  # how one leaves it
        pass
    if console.is_terminal and following.things:
        print_view(following, cells)


def _redraw(
    console: Console,
    following: Following,
    directories: Sequence[Path],
    every_s: float,
    cells: int,
) -> None:
    if console.options.ascii_only and isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            following.look()
            live.update(_screen(console, following, directories, cells), refresh=True)
            time.sleep(every_s)


def _screen(
    console: Console, following: Following, directories: Sequence[Path], cells: int
) -> RenderableType:
    if not following.things:
        return Text("\n".join([_waiting(directories), *following.remarks]), overflow="fold")
    return fitted(console, following.things, following.remarks, cells)


def _waiting(directories: Sequence[Path]) -> str:
    return f"waiting for the first event in {', '.join(map(plain, directories))}"


def _lines(following: Following, directories: Sequence[Path], every_s: float) -> None:
    said: list[str] = []
    while True:
        following.look()
        lines = [*_said(following)] or [_waiting(directories)]
        sys.stdout.writelines(f"{line}\n" for line in lines if line not in said)
        sys.stdout.flush()
        said = lines
        time.sleep(every_s)


def _said(following: Following) -> Iterator[str]:
    for row in rows(following.things):
        yield "  ".join(f"{heading} {value}" for heading, value in row.items())
    if following.things:
        yield from (f"remark: {remark}" for remark in following.remarks)


@contextmanager
def _ended_by_a_signal() -> Iterator[None]:
    """Have a SIGTERM leave the terminal as it was."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
