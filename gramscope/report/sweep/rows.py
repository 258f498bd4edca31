"""A sweep as a table: one row for each monitored feature of each job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from gramscope.config.presets import MONITORS, PRESETS
from gramscope.diagnosis import NUMBERS, number_of
from gramscope.report.files import plain, read_yaml
from gramscope.report.history import History, feature_names, read_histories
from gramscope.report.jobs import Job, find_jobs
from gramscope.report.summary import MetricSummary, summarise
from gramscope.report.sweep.optimum import read_optimum
from gramscope.report.sweep.settings import compare_settings

__all__ = ["Row", "Sweep", "load_sweep"]


@dataclass
class Row:
    """One feature of one job, or a job that kept no events."""

    job: Job
    mark: str
    """``best`` or ``Pareto`` if the sweeper found it so, else empty."""
    feature: str
    history: History | None
    remarks: list[str]
    """What could not be read."""
    summary: dict[str, MetricSummary] = field(default_factory=dict)

    @cached_property
    def final(self) -> dict[str, float]:
        """The metrics at the last logged step."""
        return {name: s.final[1] for name, s in self.summary.items() if s.final}

    @property
    def skipped(self) -> str:
        """How many due steps were skipped, and why."""
        reasons = self.history.skipped if self.history else {}
        named = ", ".join(f"{reason} {n}" for reason, n in sorted(reasons.items()))
        return f"{sum(reasons.values())} ({named})" if reasons else "0"


@dataclass
class Sweep:
    """Everything that is in the report except pictures."""

    directory: Path
    jobs: list[Job]
    rows: list[Row]
    swept: dict[str, str]
    """Heading by key."""
    shared: dict[str, str]
    """Value by key of what is alike in all jobs."""
    shows_feature: bool
    """Whether rows need a column that says which feature they are of."""
    definition: str
    """The sweep as it was written, if that is known."""
    optimum: list[str]
    notes: list[str]

    @property
    def metrics(self) -> list[str]:
        """Names of all metrics of all rows, the known ones first."""
        return sorted({name for row in self.rows for name in row.summary}, key=_place)

    @property
    def headlines(self) -> list[str]:
        """Those that the table has room for: which tell most, are amiss, or are optimised."""
        return [name for name in self.metrics if self._is_headline(name)]

    def _is_headline(self, name: str) -> bool:
        number = number_of(name)
        if number is not None and number.headline:
            return True
        if any(f"/{key}".endswith(f"/{name}") for job in self.jobs for key in job.objectives):
            return True
        if number is None or number.sound is None:
            return False
        found = [row.summary[name] for row in self.rows if name in row.summary]
        return any(summary.constant != number.sound for summary in found)


def _place(metric: str) -> tuple[int, str]:
    number = number_of(metric)
    return list(NUMBERS).index(number.name) if number else len(NUMBERS), metric


def load_sweep(directory: Path) -> Sweep:
    """Read a sweep.

    Raises:
        ReportError: If it is no directory or holds no run.
    """
    jobs, unreadable = find_jobs(directory)
    optimum, marks = read_optimum(directory, jobs)
    rows = [row for job in jobs for row in _rows(job, marks.get(job.name, ""))]
    swept, shared = compare_settings(jobs)
    shows_feature = _needs_feature(rows, list(swept))
    features = {row.feature for row in rows if row.history}
    if not shows_feature and len(features) == 1 and not features & set(shared.values()):
        shared["feature"] = features.pop()
    return Sweep(
        directory=directory,
        jobs=jobs,
        rows=rows,
        swept=swept,
        shared=shared,
        shows_feature=shows_feature,
        definition=_definition(directory),
        optimum=optimum,
        notes=[*unreadable, *_notes(rows)],
    )


def _rows(job: Job, mark: str) -> list[Row]:
    histories: list[History] = []
    problems = list(job.problems)
    for path in job.events_files:
        found, trouble = read_histories(path)
        histories += found
        problems += trouble
    if not histories:
        return [Row(job, mark, "", None, [*problems, "kept no events"])]
    return [
        Row(job, mark, name, history, _remarks(problems, history), summarise(history))
        for name, history in zip(feature_names(histories), histories, strict=True)
    ]


def _remarks(problems: Sequence[str], history: History) -> list[str]:
    return [*problems, *filter(None, [history.thinned])]


def _needs_feature(rows: Sequence[Row], swept: Sequence[str]) -> bool:
    with_events = [row for row in rows if row.history]
    if len({row.feature for row in with_events}) < 2:
        return False
    told = any(
        all(row.job.overrides.get(key) == row.feature for row in with_events) for key in swept
    )
    return not told


def _definition(directory: Path) -> str:
    try:
        hydra = read_yaml(directory / "multirun.yaml")["hydra"]
        params: Any = hydra["sweeper"].get("params") or {}
        return plain(
            " ".join([*hydra["overrides"]["task"], *(f"{k}={v}" for k, v in params.items())])
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return ""  # not every sweeper writes it, and the overrides of the jobs say as much


def _notes(rows: Sequence[Row]) -> list[str]:
    """How to get events from the jobs that kept none."""
    without: dict[str, list[str]] = {}
    presets = {row.job.callbacks for row in rows}
    for row in rows:
        if row.history is None:
            advice = _advice(row.job, presets)
            without.setdefault(advice, []).append(row.job.name)
    return [
        f"{'Job' if len(names) == 1 else 'Jobs'} {', '.join(names)} kept no events. {advice}"
        for advice, names in without.items()
    ]


def _advice(job: Job, of_all: set[tuple[str, ...]]) -> str:
    callbacks = job.callbacks
    if callbacks and job.keeps_events:
        return "It was to keep them, but no gram matrix was due, or it ended before the first."
    if job.events_files:
        return "In its events.jsonl there is none that can be read."
    names = [path.removeprefix("callbacks.") for path in callbacks]
    presets = [path.removeprefix("callbacks.") for one in of_all for path in one]
    if len(presets) == len(of_all) > 1 and set(presets) <= PRESETS.keys():
        # What is written for one preset would be refused by the jobs of another.
        features = ",".join(sorted(PRESETS[preset] for preset in presets))
        return (
            "To keep them, sweep one preset's feature instead of presets: "
            f"-m +callbacks=gram gram/feature={features} gram/files=run"
        )
    if any("[" in path for path in callbacks):
        return (
            "To keep them, write `save_dir: ${hydra:runtime.output_dir}/gram` into the entry "
            f"{callbacks[0]} of the config."
        )
    if not names:
        return (
            "There is no GramMatrixCallback in their configs. To add one that keeps events, "
            "write +callbacks=gram_teacher gram/files@callbacks.gram_teacher=run"
        )
    settings = " ".join(f"'++{p}.save_dir=${{hydra:runtime.output_dir}}/gram'" for p in callbacks)
    options = " ".join(
        "gram/files=run" if name == "gram" else f"gram/files@callbacks.{name}=run"
        for name in names
        if name in MONITORS
    )
    return f"To keep them, write {settings}" + (f", or {options} with the preset" * bool(options))
