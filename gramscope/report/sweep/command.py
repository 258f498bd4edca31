"""The command `gramscope sweep-report`."""

from __future__ import annotations

import argparse
from pathlib import Path

from gramscope.report.commands import errors_in_a_line

__all__ = ["add"]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    command = commands.add_parser(
        "sweep-report",
        help="compare the jobs of a Hydra multirun: a table, and a page of gram matrices",
        description="Compare the jobs of a Hydra multirun, or other runs, by the events that they "
        "kept (save_dir): prints a table of settings and metrics, and writes one HTML page with "
        "the table, charts, and the gram matrices side by side at equal steps.",
    )
    command.add_argument(
        "directory",
        metavar="MULTIRUN_DIR",
        type=Path,
        help="directory of the multirun, as multirun/2030-01-31/12-00-00; or of a single run, or "
        "any with runs below it",
    )
    command.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        help="the page (default: MULTIRUN_DIR/sweep_report.html)",
    )
    command.add_argument(
        "--steps",
        metavar="N",
        type=_at_least_one,
        default=6,
        help="pictures a row, at most (default: %(default)s)",
    )
    command.add_argument(
        "--pages",
        action="store_true",
        help="also write a page for each job (report.html in its directory), as `gramscope report` "
        "does, with links between them",
    )
    command.set_defaults(run=_sweep_report)


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, but got {text!r}")
    return int(text)


def _sweep_report(arguments: argparse.Namespace) -> None:
    # What reads arrays and fills pages is loaded for this command only.
    from gramscope.report.sweep.report import sweep_report

    with errors_in_a_line():
        sweep_report(arguments.directory, arguments.output, arguments.steps, pages=arguments.pages)
