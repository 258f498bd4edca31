"""Runs by the directories that somebody names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gramscope.report.files import ReportError, plain
from gramscope.report.history import History, read_watched
from gramscope.report.jobs import Job, find_jobs

__all__ = ["NoEventError", "Run", "distinct_names", "load_runs", "no_event"]

_KEEP = (
    "Runs keep an events.jsonl where their callback or monitor has a save_dir, as with "
    "gram/files=run"
)


class NoEventError(ReportError):
    """There is no event, or not yet."""


@dataclass
class Run:
    """One run that kept events."""

    name: str
    """What tells it apart from the others that were read with it."""
    job: Job
    watched: list[History]
    """Each thing that it watched; features that were watched together are one."""
    problems: list[str] = field(default_factory=list)
    """What could not be read of it."""

    @property
    def directory(self) -> Path:
        """Where it ran, or kept its events."""
        return self.job.directory


def load_runs(directories: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """Read all runs at or below some directories, each once.

    Returns:
        Those that have an event, in the order of the directories, and what could not be read.

    Raises:
        NoEventError: If none of them holds an event.
    """
    runs: dict[Path, Run] = {}
    problems: list[str] = []
    for directory in directories:
        try:
            jobs, unreadable = find_jobs(directory)
        except ReportError as error:  # one of many may be anything, as `outputs/*` gives them
            jobs, unreadable = [], [str(error)]
        problems += unreadable
        for job in jobs:
            runs.setdefault(job.directory.resolve(), _read(job))
    found = [run for run in runs.values() if run.watched]
    problems += [f"{plain(r.directory)}: {p}" for r in runs.values() for p in _lacks(r)]
    if not found:
        raise no_event(problems)
    for run, name in zip(found, distinct_names([run.directory for run in found]), strict=True):
        run.name = name
    return found, problems


def no_event(problems: Sequence[str]) -> NoEventError:
    """What to raise where nothing has an event, with what else is known of that."""
    return NoEventError("; ".join([f"There is no event to show. {_KEEP}", *problems]))


def _read(job: Job) -> Run:
    run = Run("", job, [], list(job.problems))
    for path in job.events_files:
        try:
            watched, problems = read_watched(path)
        except OSError as error:
            watched, problems = [], [f"{path.name} is unreadable ({plain(error.strerror)})"]
        run.watched += watched
        run.problems += problems
    return run


def _lacks(run: Run) -> Iterator[str]:
    yield from run.problems
    if not run.watched:
        yield "kept no events"


def distinct_names(directories: Sequence[Path]) -> list[str]:
    """The directories' own names, with as many above them as it takes to tell all apart."""
    parts = [directory.resolve().parts for directory in directories]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(one[-depth:]) for one in parts]
        if len(set(names)) == len(names):
            break
    return [plain(name) for name in names]
