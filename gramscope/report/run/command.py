"""The command `gramscope report`."""

from __future__ import annotations

import argparse
from pathlib import Path

from gramscope.report.commands import errors_in_a_line, seconds, write_page

__all__ = ["add"]

_REFRESH_S = 10.0


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    command = commands.add_parser(
        "report",
        help="write one page of a run, or of several side by side",
        description="Write one HTML file about runs that kept their events (save_dir): gram "
        "matrices by step, numbers over time, what the diagnosis said and when, events, settings. "
        "It needs no network and no server, and can be sent as it is.",
    )
    command.add_argument(
        "directories",
        metavar="RUN_DIR",
        nargs="+",
        type=Path,
        help="directory of a run, as outputs/2030-01-31/12-00-00, or any with runs below it",
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        help="the page (default: report.html in RUN_DIR; of several, in the working directory)",
    )
    command.add_argument(
        "--watch",
        metavar="SECONDS",
        nargs="?",
        type=seconds,
        const=_REFRESH_S,
        help="write it again while runs train, every so many seconds if there is anything new "
        f"({_REFRESH_S:g} unless given); the page loads itself again. Ctrl-C ends it",
    )
    command.set_defaults(run=_report)


def _report(arguments: argparse.Namespace) -> None:
    # What reads arrays and fills pages is loaded for this command only.
    from gramscope.report.run.watching import watch

    directories = arguments.directories
    output = arguments.output or _usual(directories)
    with errors_in_a_line():
        if arguments.watch is None:
            write_page(directories, output)
        else:
            watch(directories, output, arguments.watch)


def _usual(directories: list[Path]) -> Path:
    from gramscope.report.run.report import RUN_PAGE

    return (directories[0] if len(directories) == 1 else Path()) / RUN_PAGE
