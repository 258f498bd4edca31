"""A page that follows runs while they train."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gramscope.report.files import ReportError, plain, search
from gramscope.report.run.report import run_report
from gramscope.report.runs import NoEventError

__all__ = ["watch"]


def watch(directories: Sequence[Path], output: Path, every_s: float) -> None:
    """Write a page again and again until Ctrl-C, and then once so that it stays as it is.

    Raises:
        ReportError: If the page cannot be written. Runs that are not there yet are waited for.
    """
    sys.stdout.write(f"page  {plain(output)}  (loads itself again while this runs; Ctrl-C ends)\n")
    sys.stdout.flush()
    seen: object = None
    try:
        while True:
            if seen != (now := _sizes(directories)) and now:
                seen = now
                with suppress(NoEventError):
                    run_report(directories, output, every_s)
            time.sleep(every_s)
    except KeyboardInterrupt:
        with suppress(NoEventError):
            run_report(directories, output)


def _sizes(directories: Sequence[Path]) -> list[tuple[Path, int]]:
    """The accounts of events and how long they are: they only grow, or begin anew."""
    found = []
    for directory in directories:
        with suppress(ReportError, OSError):
            found += [(path, path.stat().st_size) for path in search(directory, "a run")[1]]
    return found
