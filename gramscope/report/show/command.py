"""The command `gramscope show`."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path

from gramscope.report.commands import errors_in_a_line, seconds

__all__ = ["add"]

_EVERY_S = 2.0
_CELLS = 32


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    command = commands.add_parser(
        "show",
        help="print the last state of a run in the terminal, or follow it while it trains",
        description="Print of everything that a run watches its state, its numbers with their "
        "course, and its gram matrix, by the events that it keeps (save_dir). Of more than six "
        "things a table.",
        epilog="A character of a course that stands for several events shows the worst of them.",
    )
    command.add_argument(
        "directories",
        metavar="RUN_DIR",
        nargs="+",
        type=Path,
        help="directory of a run, as outputs/2030-01-31/12-00-00, or any with runs below it",
    )
    command.add_argument(
        "--watch",
        metavar="SECONDS",
        nargs="?",
        type=seconds,
        const=_EVERY_S,
        help="go on until Ctrl-C, and look every so many seconds "
        f"({_EVERY_S:g} unless given); runs need not have begun. Where the output is no terminal, "
        "print a line whenever there is something new",
    )
    command.add_argument(
        "--size",
        metavar="CELLS",
        type=_cells,
        default=_CELLS,
        help="cells on a side of a heatmap, at most; 0 for none (default: %(default)s)",
    )
    command.set_defaults(run=_show)


def _cells(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= 512:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 to 512, but got {text!r}")
    return int(text)


def _show(arguments: argparse.Namespace) -> None:
    # What reads arrays and prints tables is loaded for this command only.
    if arguments.watch is None:
        from gramscope.report.show.printing import show

        with errors_in_a_line():
            show(arguments.directories, arguments.size)
        return
    with suppress(KeyboardInterrupt):  # how one leaves it
        from gramscope.report.show.watching import watch

        watch(arguments.directories, arguments.watch, arguments.size)
