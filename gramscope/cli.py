"""The console script `gramscope`."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path

from gramscope.config.callbacks import GramMatrixConfig
from gramscope.config.presets import OTHERS, PRESETS, SUB_GROUPS
from gramscope.config.settings import helps

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> None:
    """Run one of the commands.

    Args:
        argv: The command line, `sys.argv[1:]` by default.
    """
    parser = argparse.ArgumentParser(
        prog="gramscope", description="Watch self-supervised features while they train."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    presets = commands.add_parser("presets", help="list what any Hydra application can add")
    presets.set_defaults(run=_presets)
    _add_sweep_report(commands)
    arguments = parser.parse_args(argv)
    arguments.run(arguments)


def _presets(arguments: argparse.Namespace) -> None:
    """Print the presets, the options of their sub-groups and the parameters behind them."""
    print("Presets: add one with +callbacks=NAME, several with '+callbacks=[NAME,NAME]'.")
    features = SUB_GROUPS["gram/feature"].options
    _print_options({name: features[feature] for name, feature in PRESETS.items()})
    _print_options({name: config.__doc__ for name, config in OTHERS.items()})
    print("\nOptions: GROUP=OPTION for the preset gram, GROUP@callbacks.NAME=OPTION for another.")
    for group, (parameter, options, default) in SUB_GROUPS.items():
        unless = "the preset's own" if group == "gram/feature" else default
        print(f"\n{group} (sets {parameter}; {unless} unless chosen)")
        _print_options({name: _yaml(value) for name, value in options.items()})
    print("\nParameters: callbacks.NAME.PARAMETER=VALUE. Defaults:")
    for parameter, text in helps(GramMatrixConfig).items():
        print(f"\n{parameter}={_yaml(getattr(GramMatrixConfig, parameter))}")
        print(textwrap.fill(text, 96, initial_indent="  ", subsequent_indent="  "))


def _print_options(options: Mapping[str, object]) -> None:
    for name, value in options.items():
        print(f"  {name:<20} {value}")


def _yaml(value: object) -> object:
    """Spell a value as an override does."""
    if isinstance(value, Enum):
        return value.value
    return "null" if value is None else value


def _add_sweep_report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    command.set_defaults(run=_sweep_report)


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1, but got {text!r}")
    return int(text)


def _sweep_report(arguments: argparse.Namespace) -> None:
    """Compare the jobs of a sweep."""
    from gramscope.report import ReportError, sweep_report  # reads arrays: not for other commands

    try:
        sweep_report(arguments.directory, arguments.output, arguments.steps)
        sys.stdout.flush()
    except ReportError as error:
        print(f"gramscope: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except BrokenPipeError:  # the reader has seen enough, as `head` has; the page is written
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
