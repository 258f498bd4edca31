"""The two runs that are to be compared."""

from __future__ import annotations

from pathlib import Path

from gramscope.report.files import ReportError
from gramscope.report.runs import Run, distinct_names, load_runs

__all__ = ["load_two"]

_NAMED = 3


def load_two(directory_a: Path, directory_b: Path) -> tuple[Run, Run]:
    """Read two runs, which have other names then.

    Raises:
        ReportError: If a directory holds no run with an event, or several, or both are the same.
    """
    runs = _one(directory_a), _one(directory_b)
    places = [run.directory.resolve() for run in runs]
    if places[0] == places[1]:
        raise ReportError(f"{directory_a} and {directory_b} are the same run")
    for run, name in zip(runs, distinct_names(places), strict=True):
        run.name = name
    return runs


def _one(directory: Path) -> Run:
    runs, _ = load_runs([directory])
    if len(runs) > 1:
        some = ", ".join(str(run.directory) for run in runs[:_NAMED])
        more = ", …" if len(runs) > _NAMED else ""
        raise ReportError(f"{directory} holds {len(runs)} runs; name one of them: {some}{more}")
    return runs[0]
