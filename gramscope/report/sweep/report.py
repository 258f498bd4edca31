"""The report of a sweep: a table in the terminal and a page."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from gramscope.events.files import write_atomically
from gramscope.report.files import ReportError, plain
from gramscope.report.run.report import RUN_PAGE, run_report
from gramscope.report.runs import NoEventError
from gramscope.report.sweep.grid import Grid, draw_grid
from gramscope.report.sweep.page import render_page
from gramscope.report.sweep.rows import Sweep, load_sweep
from gramscope.report.sweep.table import print_table

__all__ = ["sweep_report"]


def sweep_report(
    directory: Path, output: Path | None = None, columns: int = 6, *, pages: bool = False
) -> Path:
    """Compare the jobs of a Hydra multirun, or other runs that kept their events.

    Args:
        directory: The multirun's directory, that of a single run, or any with runs below it.
        output: Where the page goes; ``None`` for ``sweep_report.html`` in that directory.
        columns: How many steps the page shows pictures of, at least 1.
        pages: Whether to write a page for each job, too, that it links to.

    Returns:
        Where the page is.

    Raises:
        ReportError: If the directory holds no run or the page cannot be written.
    """
    page = directory / "sweep_report.html" if output is None else output
    sweep = load_sweep(directory)
    if page.is_dir():
        raise ReportError(f"{page} is a directory; --output takes the name of a file")
    grid = draw_grid(sweep, columns)
    try:
        _write(page, sweep, grid)
        if pages:  # which link to the sweep's, as this then does to them
            _write_pages(sweep)
            _write(page, sweep, grid)
    except OSError as error:
        raise ReportError(
            f"{page} cannot be written ({error.strerror}); choose another place with --output"
        ) from None
    print_table(sweep)
    sys.stdout.write(f"page  {plain(page)}\n")
    return page


def _write(page: Path, sweep: Sweep, grid: Grid) -> None:
    write_atomically(page, render_page(sweep, grid, _pages(sweep, page)).encode())


def _write_pages(sweep: Sweep) -> None:
    for job in sweep.jobs:
        with suppress(NoEventError):
            run_report([job.directory], job.directory / RUN_PAGE)


def _pages(sweep: Sweep, page: Path) -> dict[str, str]:
    """By name of a job, the address of its own page if it has one."""
    files = {job.name: job.directory / RUN_PAGE for job in sweep.jobs}
    start = page.resolve().parent
    return {
        name: quote(os.path.relpath(file.resolve(), start))
        for name, file in files.items()
        if file.is_file()
    }
