"""The command `gramscope compare`."""

from __future__ import annotations

import argparse
import json
import math
import sys
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from gramscope.report.commands import FOUND, errors_in_a_line, write_page

if TYPE_CHECKING:
    from gramscope.report.compare.result import Comparison
    from gramscope.report.compare.worse import Worse

__all__ = ["add"]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    command = commands.add_parser(
        "compare",
        help="hold a run against another: settings, states, and the same numbers at the same steps",
        description="Print in what two runs were set up differently, the states that they went "
        "through, their numbers at the steps that both have, and where they part, by the events "
        "that they kept (save_dir).",
        epilog="Noise is how much a number changes from one event to the next: 1.4826 times the "
        "median of the changes, of the run where it is larger. Runs part in a number at the first "
        "common step where, and at the next two, more than three times the noise lies between "
        "them, and at nine of ten common steps until the end. "
        f"Exit code: 0; {FOUND} where --fail-on-worse applies; 2 for bad input.",
    )
    for name in ("RUN_A", "RUN_B"):
        command.add_argument(
            name.lower(),
            metavar=name,
            type=Path,
            help="directory of a run, as outputs/2030-01-31/12-00-00",
        )
    command.add_argument("--json", action="store_true", help="print JSON, for machines")
    command.add_argument(
        "--fail-on-worse",
        metavar="METRIC",
        nargs="+",
        action="extend",
        default=[],
        help=f"end with exit code {FOUND} if RUN_B is worse at the last common step in one of "
        "these numbers: effective_rank, teacher_head/effective_rank for one of several features, "
        "offdiag_std:low or offdiag_std:high where either end may be the bad one",
    )
    command.add_argument(
        "--tolerance",
        metavar="VALUE",
        type=_amount,
        help="by how much a number may be worse, in its own unit (default: three times its noise; "
        "nothing where runs have less than four events)",
    )
    command.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        help="also write one page of both runs side by side",
    )
    command.set_defaults(run=_compare)


def _amount(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number from 0, but got {text!r}")
    return value


def _compare(arguments: argparse.Namespace) -> None:
    # What reads arrays and prints tables is loaded for this command only.
    from gramscope.report.compare.comparison import compare
    from gramscope.report.compare.loading import load_two
    from gramscope.report.compare.worse import worse

    with errors_in_a_line():
        run_a, run_b = load_two(arguments.run_a, arguments.run_b)
        comparison = compare(run_a, run_b)
        found = worse(comparison, arguments.fail_on_worse, arguments.tolerance)
    with suppress(BrokenPipeError) if found else nullcontext():  # the code is for others
        _print(comparison, found, arguments.json)
    with errors_in_a_line():
        if arguments.output:
            # JSON is alone on stdout.
            said = sys.stderr if arguments.json else None
            write_page([run_a.directory, run_b.directory], arguments.output, said)
    for one in found:
        what = f"{one.key} is worse by {one.by:.3g}, with a tolerance of {one.tolerance:.3g}"
        print(f"gramscope: --fail-on-worse {what}", file=sys.stderr)
    if found:
        raise SystemExit(FOUND)


def _print(comparison: Comparison, found: list[Worse], as_json: bool) -> None:
    from dataclasses import asdict

    from gramscope.report.compare.view import print_comparison

    if as_json:
        failed = {"failed_on": [one.key for one in found]}
        print(json.dumps({**asdict(comparison), **failed}, indent=2))
    else:
        print_comparison(comparison)
