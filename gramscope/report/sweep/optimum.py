"""The best trial of a sweep that optimises."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gramscope.report.files import plain, read_yaml
from gramscope.report.jobs import Job

__all__ = ["read_optimum"]


def read_optimum(directory: Path, jobs: Sequence[Job]) -> tuple[list[str], dict[str, str]]:
    """What the Optuna sweeper wrote into ``optimization_results.yaml``.

    Returns:
        A line for the best trial, or for each of several that none is better than; and the mark of
        each job, by its name, that alone has the parameters of one of them.
    """
    path = directory / "optimization_results.yaml"
    if not path.exists():
        return [], {}
    try:
        results = read_yaml(path)
    except ValueError as error:
        return [str(error)], {}
    lines, marks = [], {}
    for kind, params, value in _trials(results):
        shown = " ".join(f"{plain(k).lstrip('+')}={plain(v)}" for k, v in params.items())
        matching = [job for job in jobs if _has(job, params)]
        if len(matching) == 1:
            marks[matching[0].name] = kind
        # A sampler may try the same parameters twice; which of the two is meant is not written.
        where = f" (job {matching[0].name})" if len(matching) == 1 else ""
        lines.append(f"{kind} {plain(value)} with {shown}{where}")
    return lines, marks


def _trials(results: Any) -> list[tuple[str, dict[str, Any], Any]]:
    if not isinstance(results, dict):
        return []
    if isinstance(results.get("best_params"), dict):
        return [("best", results["best_params"], results.get("best_value"))]
    solutions = results.get("solutions")
    return [
        ("Pareto", s["params"], s.get("values"))
        for s in (solutions if isinstance(solutions, list) else ())
        if isinstance(s, dict) and isinstance(s.get("params"), dict)
    ]


def _has(job: Job, params: dict[str, Any]) -> bool:
    return all(
        _same(job.overrides.get(plain(key).lstrip("+~")), value) for key, value in params.items()
    )


def _same(written: str | None, value: Any) -> bool:
    if written is None:
        return False
    if isinstance(value, bool) or value is None:  # as Hydra writes them: true, null
        return written.lower() in {str(value).lower(), "null" if value is None else ""}
    return written.strip("'\"") == plain(value)
