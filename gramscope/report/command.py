"""The command `gramscope sweep-report`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

__all__ = ["add"]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    command = commands.add_parser(
        "sweep-report",
        help="compare the jobs of a Hydra multirun: a table, and a page of gram matrices",
        description="Compare the jobs of a Hydra multirun by the events that they kept "
        "(save_dir): prints a table of settings and metrics, and writes one HTML page with the "
        "table, charts, and the gram matrices side by side at equal steps.",
    )
    command.add_argument(
        "directory",
        metavar="MULTIRUN_DIR",
        type=Path,
        help="directory of the multirun, as multirun/2030-01-31/12-00-00; or of a single run",
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
    command.set_defaults(run=_run)


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, but got {text!r}")
    return int(text)


def _run(arguments: argparse.Namespace) -> None:
    # What reads arrays and fills pages is loaded for this command only.
    from gramscope.report.files import ReportError
    from gramscope.report.sweep_report import sweep_report

    try:
        sweep_report(arguments.directory, arguments.output, arguments.steps)
    except ReportError as error:
        print(f"gramscope: {error}", file=sys.stderr)
        raise SystemExit(2) from None
