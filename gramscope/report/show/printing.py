"""The last state of runs, printed once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gramscope.report.runs import no_event
from gramscope.report.show.following import Following
from gramscope.report.show.view import view
from gramscope.report.terminal import terminal

__all__ = ["print_view", "show"]


def show(directories: Sequence[Path], cells: int) -> None:
    """Print the last state of some runs.

    Args:
        directories: Those of the runs, or any with runs below them.
        cells: On a side of a heatmap, at most; 0: there are none.

    Raises:
        ReportError: If none of them holds an event.
    """
    following = Following(directories)
    following.look()
    if not following.things:
        raise no_event(following.remarks)
    print_view(following, cells)


def print_view(following: Following, cells: int) -> None:
    """Print all that was read last."""
    with terminal() as console:
        console.print(view(console, following.things, following.remarks, cells))
