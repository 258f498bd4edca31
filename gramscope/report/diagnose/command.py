"""The command `gramscope diagnose`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

from gramscope.report.commands import FOUND, errors_in_a_line

__all__ = ["add"]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    command = commands.add_parser(
        "diagnose",
        help="say what is wrong with a run, by the numbers that it kept",
        description="Say of everything that a run watched which state it is in, why, since when, "
        "and what to look at next, by the events that it kept (save_dir).",
        epilog=f"Exit code: 0; {FOUND} where --fail-on applies; 2 for bad input.",
    )
    command.add_argument(
        "directories",
        metavar="RUN_DIR",
        nargs="+",
        type=Path,
        help="directory of a run, as outputs/2030-01-31/12-00-00, or any with runs below it",
    )
    command.add_argument("--json", action="store_true", help="print JSON, for machines")
    command.add_argument(
        "--fail-on",
        metavar="STATE",
        nargs="+",
        action="extend",
        default=[],
        help=f"end with exit code {FOUND} if anything is in one of these states at the end: "
        "names as --json prints them, or `alarm` for all that are alarms",
    )
    command.add_argument(
        "--ever",
        action="store_true",
        help="--fail-on counts states that were passed on the way, too",
    )
    command.add_argument(
        "--set",
        metavar="THRESHOLD=VALUE",
        dest="thresholds",
        nargs="+",
        action="extend",
        type=_threshold,
        default=[],
        help="thresholds other than their defaults, as a callback's `thresholds` has them",
    )
    command.set_defaults(run=_diagnose)


def _threshold(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected THRESHOLD=VALUE with a number, but got {text!r}"
        ) from None


def _diagnose(arguments: argparse.Namespace) -> None:
    from gramscope.report.diagnose.printing import print_states, title
    from gramscope.report.diagnose.watched import as_json, diagnose

    ever = arguments.ever
    with errors_in_a_line():
        states = _states(arguments.fail_on, ever)
        watched, remarks = diagnose(
            arguments.directories, dict(arguments.thresholds), strict=bool(states)
        )
    failed = [(found, title(one)) for one in watched if (found := one.among(states, ever))]
    with suppress(BrokenPipeError) if failed else nullcontext():  # the code is for others
        if arguments.json:
            print(json.dumps(as_json(watched, remarks, states, ever), indent=2))
        else:
            print_states(watched, remarks)
    for found, what in failed:
        print(f"gramscope: --fail-on {' '.join(found)}: {what}", file=sys.stderr)
    if failed:
        raise SystemExit(FOUND)


def _states(names: Sequence[str], ever: bool) -> set[str]:
    """Names of states, of which ``alarm`` stands for several."""
    from difflib import get_close_matches

    from gramscope.diagnosis import STATES
    from gramscope.report.files import ReportError

    if ever and not names:
        raise ReportError("--ever is about --fail-on, which names no state")
    alarms = {kind.name for kind in STATES.values() if kind.alarm}
    for name in names:
        if name not in (known := ["alarm", *STATES]):
            close = " or ".join(get_close_matches(name, known)) or f"one of {', '.join(known)}"
            raise ReportError(f"--fail-on knows no state {name!r}; perhaps {close}")
    return {*names} | (alarms if "alarm" in names else set())
