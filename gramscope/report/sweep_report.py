"""The report of a sweep: a table in the terminal and a page."""

from __future__ import annotations

import sys
from pathlib import Path

from gramscope.events.files import write_atomically
from gramscope.report.files import ReportError, plain
from gramscope.report.grid import draw_grid
from gramscope.report.page import render_page
from gramscope.report.sweep import load_sweep
from gramscope.report.table import print_table

__all__ = ["sweep_report"]


def sweep_report(directory: Path, output: Path | None = None, columns: int = 6) -> Path:
    """Compare the jobs of a Hydra multirun, or other runs that kept their events.

    Args:
        directory: The multirun's directory, that of a single run, or any with runs below it.
        output: Where the page goes; ``None`` for ``sweep_report.html`` in that directory.
        columns: How many steps the page shows pictures of, at least 1.

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
        write_atomically(page, render_page(sweep, grid).encode())
    except OSError as error:
        raise ReportError(
            f"{page} cannot be written ({error.strerror}); choose another place with --output"
        ) from None
    print_table(sweep)
    sys.stdout.write(f"page  {plain(page)}\n")
    return page
