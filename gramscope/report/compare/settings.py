"""In what two runs were set up differently."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gramscope.report.files import plain, read_yaml
from gramscope.report.runs import Run

__all__ = ["Setting", "differences"]

_PLACE = "RUN_DIR"


@dataclass(frozen=True)
class Setting:
    """A key in which two configs differ."""

    key: str
    a: str | None
    """Its value in the first run, as text; ``None``: the key is not there."""
    b: str | None


def differences(run_a: Run, run_b: Run) -> tuple[list[Setting], list[str]]:
    """Keys of the configs in which two runs differ, then other overrides, and what is missing.

    Values in which nothing but the run's own directory differs are the same.
    """
    (config_a, missing_a), (config_b, missing_b) = _config(run_a), _config(run_b)
    known = bool(config_a) and bool(config_b)
    found = [*_differ(config_a, config_b)] if known else []
    # Groups that were chosen and settings of Hydra's own are overrides only.
    said = {*config_a, *config_b} if known else set()
    overrides_a, overrides_b = _overrides(run_a), _overrides(run_b)
    found += [one for one in _differ(overrides_a, overrides_b) if one.key not in said]
    return found, [*missing_a, *missing_b]


def _differ(a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[Setting]:
    for key in dict.fromkeys([*a, *b]):
        if a.get(key) != b.get(key):
            yield Setting(key, a.get(key), b.get(key))


def _config(run: Run) -> tuple[dict[str, str], list[str]]:
    try:
        config = read_yaml(run.directory / ".hydra" / "config.yaml")
    except ValueError as error:
        return {}, [f"settings of {run.name} are not known: {plain(error)}"]
    return {key: _without_place(value, run) for key, value in _flat(config)}, []


def _overrides(run: Run) -> dict[str, str]:
    return {key: _without_place(value, run) for key, value in run.job.overrides.items()}


def _flat(node: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, dict) and node:
        for name, child in node.items():
            yield from _flat(child, f"{key}.{plain(name)}" if key else plain(name))
    elif isinstance(node, list) and node:
        for index, child in enumerate(node):
            yield from _flat(child, f"{key}[{index}]")
    else:
        yield key, json.dumps(node) if node is None or isinstance(node, bool) else plain(node)


def _without_place(value: str, run: Run) -> str:
    return value.replace(plain(run.directory.resolve()), _PLACE)
