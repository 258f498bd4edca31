"""The jobs of a sweep, or other runs: where they are and what was set for each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gramscope.config.presets import SHARED_DIR, is_gram_target
from gramscope.report.files import ReportError, plain, read_yaml, search

__all__ = ["Job", "find_jobs"]


@dataclass
class Job:
    """One run: of a Hydra application, or of anything that keeps events."""

    directory: Path
    name: str
    """Its number in the sweep, or where that says nothing its path below the sweep."""
    number: int | None
    overrides: dict[str, str]
    """Value by key, both as written on the command line, without ``+``."""
    callbacks: tuple[str, ...]
    """Paths of the gram callbacks in its config, ``callbacks.gram_teacher`` or ``callbacks[0]``."""
    keeps_events: bool
    """Whether its config has all of them keep their events."""
    objectives: tuple[str, ...] = ()
    """Keys of the metrics that it returns to its sweeper."""
    events_files: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def find_jobs(directory: Path) -> tuple[list[Job], list[str]]:
    """The jobs below a directory, in the order of their numbers, and what could not be searched.

    Events that are of no Hydra job are a run by themselves, of which no setting is known.

    Raises:
        ReportError: If it is no directory or holds no run.
    """
    places, events_files, unreadable = search(directory, "a Hydra multirun or of a run")
    if not places and not events_files:
        raise ReportError(
            f"{directory} holds no run: expected directories with .hydra/overrides.yaml, as "
            f"`python train.py -m …` makes them (hydra.output_subdir=null leaves them out), or "
            f"with an events.jsonl, as callbacks and monitors with a save_dir keep it"
        )
    jobs = {place: _read_job(place) for place in places}
    hydra = set(places)
    for path in events_files:
        owner = next((parent for parent in path.parents if parent in hydra), path.parent)
        if owner not in jobs:
            jobs[owner] = Job(owner, "", None, {}, (), keeps_events=True)
        jobs[owner].events_files.append(path)
    ordered = sorted(jobs.values(), key=lambda job: _order(job, directory))
    numbers = [job.number for job in ordered if job.number is not None]
    distinct = len(set(numbers)) == len(numbers)  # else of several sweeps
    for job in ordered:
        numbered = distinct and job.number is not None
        job.name = str(job.number) if numbered else _path_name(job, directory)
    return ordered, unreadable


def _read_job(place: Path) -> Job:
    problems: list[str] = []

    def read(name: str) -> Any:
        try:
            return read_yaml(place / ".hydra" / name)
        except ValueError as error:
            problems.append(str(error))
            return None

    overrides = read("overrides.yaml")
    if overrides is not None and not isinstance(overrides, list):
        problems.append("overrides.yaml is not a list")
    number = _at(read("hydra.yaml"), "hydra", "job", "num")
    config = read("config.yaml")
    callbacks = dict(_callbacks(config))
    return Job(
        directory=place,
        name="",
        number=number if isinstance(number, int) else None,
        overrides=dict(_overrides(overrides)),
        callbacks=tuple(callbacks),
        keeps_events=all(
            # As Hydra keeps a config, its interpolations stand as they were written.
            _at(config, "gram_dir") if save_dir == SHARED_DIR else save_dir
            for save_dir in callbacks.values()
        ),
        objectives=_objectives(config),
        problems=problems,
    )


def _objectives(config: Any) -> tuple[str, ...]:
    named = _at(config, "objective")
    return tuple(plain(one) for one in (named if isinstance(named, list) else [named]) if one)


def _overrides(lines: Any) -> Iterator[tuple[str, str]]:
    # By Hydra's grammar the first = ends the key, and nothing but + and ~ comes before it.
    for line in lines if isinstance(lines, list) else ():
        key, equals, value = plain(line).partition("=")
        deleted = key.startswith("~")
        yield key.lstrip("+~"), "(deleted)" if deleted else value if equals else ""


def _callbacks(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Path and `save_dir` of every gram callback."""
    if isinstance(node, dict):
        if is_gram_target(node.get("_target_")):
            yield path, node.get("save_dir")
        for key, child in node.items():
            yield from _callbacks(child, f"{path}.{plain(key)}" if path else plain(key))
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from _callbacks(child, f"{path}[{index}]")


def _at(node: Any, *keys: str) -> Any:
    for key in keys:
        node = node.get(key) if isinstance(node, dict) else None
    return node


def _path_name(job: Job, directory: Path) -> str:
    relative = job.directory.relative_to(directory).as_posix()
    return plain(directory.resolve().name if relative == "." else relative)


def _order(job: Job, directory: Path) -> tuple[bool, int, list[tuple[bool, int, str]]]:
    parts = re.split(r"(\d+)", job.directory.relative_to(directory).as_posix())
    natural = [(p.isdecimal(), int(p) if p.isdecimal() else 0, p) for p in parts]
    return job.number is None, job.number or 0, natural
