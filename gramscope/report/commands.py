"""What the commands about runs have in common."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

__all__ = ["FOUND", "errors_in_a_line", "seconds", "write_page"]

FOUND = 3
"""Exit code where what was to be looked for is there; 2 is that of bad input."""


@contextmanager
def errors_in_a_line() -> Iterator[None]:
    """End with exit code 2 and one line where there is nothing to report on."""
    from gramscope.report.files import ReportError, plain

    try:
        yield
    except ReportError as error:
        sys.stderr.write(f"gramscope: {plain(error)}\n")
        raise SystemExit(2) from None


def write_page(directories: Sequence[Path], output: Path, said: TextIO | None = None) -> None:
    """Write a page of some runs, and say what it lacks and where it is.

    Args:
        directories: Those of the runs.
        output: The page.
        said: Where to say the latter; ``None``: on stdout.

    Raises:
        ReportError: If there is no event, or the page cannot be written.
    """
    from gramscope.report.files import plain
    from gramscope.report.run.report import run_report

    for remark in run_report(directories, output):
        sys.stderr.write(f"gramscope: {plain(remark)}\n")
    (said or sys.stdout).write(f"page  {plain(output)}\n")


def seconds(text: str) -> float:
    """An argument that is a time in seconds.

    Raises:
        argparse.ArgumentTypeError: If it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.1 <= value < 1e6:
        raise argparse.ArgumentTypeError(f"expected a number of seconds from 0.1, but got {text!r}")
    return value
