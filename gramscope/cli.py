"""The console script `gramscope`; each command lives in the package of what it shows."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import gramscope.analyze.command
import gramscope.config.command
import gramscope.report.compare.command
import gramscope.report.diagnose.command
import gramscope.report.run.command
import gramscope.report.show.command
import gramscope.report.sweep.command

__all__ = ["main"]

_COMMANDS = (
    gramscope.config.command,
    gramscope.report.run.command,
    gramscope.report.show.command,
    gramscope.report.compare.command,
    gramscope.report.diagnose.command,
    gramscope.report.sweep.command,
    gramscope.analyze.command,
)


def main(argv: Sequence[str] | None = None) -> None:
    """Run one of the commands."""
    try:
        _run(argv)
    except BrokenPipeError as error:  # the reader has seen enough, as `head` has
        # Python would complain once more while it closes the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        # An exit code is not for the reader.
        if isinstance(error.__context__, SystemExit):
            raise error.__context__ from None


def _run(argv: Sequence[str] | None) -> None:
    parser = argparse.ArgumentParser(
        prog="gramscope", description="Watch self-supervised features while they train."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for module in _COMMANDS:
        module.add(commands)
    try:
        arguments = parser.parse_args(argv)
        arguments.run(arguments)
    finally:
        sys.stdout.flush()


if __name__ == "__main__":
    main()
