"""The report of one run, or of several side by side."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from gramscope.events.files import write_atomically
from gramscope.report.files import ReportError, plain
from gramscope.report.run.choice import BUDGET
from gramscope.report.run.page import Link, render_page
from gramscope.report.run.panels import MOST_RUNS, panels_of
from gramscope.report.runs import Run, load_runs

__all__ = ["RUN_PAGE", "run_report"]

RUN_PAGE = "report.html"
"""What a run's page is called in the run's directory."""

_SWEEP_PAGE = "sweep_report.html"


def run_report(
    directories: Sequence[Path],
    output: Path,
    refresh_s: float | None = None,
    files: Sequence[str] = (),
) -> list[str]:
    """Write a page of some runs that kept their events.

    Args:
        directories: Those of the runs, or any with runs below them.
        output: Where the page goes.
        refresh_s: After how many seconds the page loads itself again; ``None``: never.
        files: What the features are from, where that is no run.

    Returns:
        What could not be read, or was left out of the page.

    Raises:
        ReportError: If there is no event, or the page cannot be written.
    """
    if output.is_dir():
        raise ReportError(f"{output} is a directory; --output takes the name of a file")
    runs, problems = load_runs(directories, MOST_RUNS)
    panels, remarks = panels_of(runs, BUDGET)
    remarks = [*problems, *remarks]
    page = render_page(runs, panels, remarks, [*_links(runs, output)], refresh_s, files)
    try:
        write_atomically(output, page.encode())
    except OSError as error:
        raise ReportError(
            f"{output} cannot be written ({error.strerror}); choose another place with --output"
        ) from None
    return remarks


def _links(runs: Sequence[Run], output: Path) -> Iterator[Link]:
    """To the reports of the sweeps that these runs are of."""
    parents = dict.fromkeys(run.directory.resolve().parent for run in runs)
    for parent in parents:
        if (page := parent / _SWEEP_PAGE).is_file():
            address = quote(os.path.relpath(page, output.resolve().parent))
            yield Link(address, f"Sweep report of {plain(parent.name)}")
