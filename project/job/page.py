"""The page that a run leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gramscope.report.run.report import run_report
from gramscope.report.runs import NoEventError
from project.job.shell import short

__all__ = ["page"]


def page(output_dir: str, report: str | None) -> Iterator[tuple[str, str]]:
    """Write the page and yield the summary's line about it; nothing where no event was kept.

    Args:
        output_dir: What the run has written.
        report: Where the page goes; None: there is to be none.
    """
    if report is None:
        return
    try:
        run_report([Path(output_dir)], Path(report))
        yield "report", f"{short(report)} (open it in a browser)"
    except NoEventError:
        pass
    except Exception as error:  # the training is done, and its results are there
        yield "report", f"not written: {error}"
