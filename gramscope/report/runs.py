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

_NAMED = 5
"""Problems that an error names."""


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


def load_runs(directories: Sequence[Path], most: int | None = None) -> tuple[list[Run], list[str]]:
    """Read the runs at or below some directories, each once.

    Args:
        directories: Those of runs, or any with runs below them.
        most: So many runs that have an event; those after them are only counted.

    Returns:
        Those that have an event, in the order of the directories, and what could not be read.

    Raises:
        NoEventError: If none of them holds an event.
    """
    jobs, problems = _find(directories)
    found: list[Run] = []
    for read, job in enumerate(jobs):
        if len(found) == most:
            problems.append(
                f"Read are the first {most} runs with events; {len(jobs) - read} directories "
                "after them were not looked at"
            )
            break
        run = _read(job)
        problems += [f"{plain(run.directory)}: {problem}" for problem in _lacks(run)]
        if run.watched:
            found.append(run)
    if not found:
        raise no_event(problems)
    for run, name in zip(found, distinct_names([run.directory for run in found]), strict=True):
        run.name = name
    return found, problems


def no_event(problems: Sequence[str]) -> NoEventError:
    """What to raise where nothing has an event, with what else is known of that."""
    said = [*problems[:_NAMED], *[f"and {len(problems) - _NAMED} more"] * (len(problems) > _NAMED)]
    nothing = f"There is no event to show. {_KEEP}"
    return NoEventError(f"{'; '.join(said)}. {nothing}" if said else nothing)


def _find(directories: Sequence[Path]) -> tuple[list[Job], list[str]]:
    jobs: dict[Path, Job] = {}
    problems: list[str] = []
    for directory in directories:
        try:
            found, unreadable = find_jobs(directory)
        except ReportError as error:  # one of many may be anything, as `outputs/*` gives them
            found, unreadable = [], [str(error)]
        problems += unreadable
        for job in found:
            jobs.setdefault(job.directory.resolve(), job)
    return list(jobs.values()), problems


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
