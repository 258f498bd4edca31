"""One job of a sweep: what it returns to the sweeper, and what tells it from the others.

No torch here, and nothing of Lightning but the trainer that is passed in.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from project.instantiate import ConfigError

__all__ = ["SweepJob", "objective", "sweep_job"]

log = logging.getLogger(__name__)


def objective(trainer: Any, name: str | None) -> float | None:
    """Return the number that a sweeper is to optimise.

    Args:
        trainer: A Lightning trainer after `fit`.
        name: A metric by the key that loggers have it under: one of a gram callback, from its
            last event (``representation/offdiag_mean``), or one in `trainer.callback_metrics`
            (``train/loss``); None for none.

    Returns:
        Its value; None, with a warning, if it is not a number, as after a run that diverged:
        Optuna's sweeper counts such a job as failed and goes on, where NaN would end the sweep.
        None also without a name, and on all ranks but the first, whose word counts.

    Raises:
        ConfigError: If there is no such metric.

    Example:
        The last line of a job: ``return project.objective(trainer, cfg.objective)``.
    """
    if name is None or not trainer.is_global_zero:
        return None
    metrics = dict(trainer.callback_metrics)
    for callback in trainer.callbacks:
        metrics.update(getattr(callback, "latest_logged", {}))
    if name not in metrics:
        there = ", ".join(sorted(metrics)) or "none"
        raise ConfigError(
            f"Expected `objective` to be a metric of the run but got '{name}'; there are: {there}."
        )
    value = float(metrics[name])
    if math.isnan(value):
        log.warning("The objective %s has no value in this run; the sweeper gets none.", name)
        return None
    return value


@dataclass(frozen=True)
class SweepJob:
    """Where a job stands in its sweep."""

    number: int
    """Counted from 0."""
    directory: Path
    """Of the whole sweep."""
    values: dict[str, str]
    """What was swept, and the value in this job; for the group choice ``+callbacks=gram_teacher``
    the key is ``callbacks``."""

    @property
    def group(self) -> str:
        """The same for all jobs of the sweep: its directory as a name."""
        path = self.directory.absolute()
        if path.is_relative_to(Path.cwd()):
            path = path.relative_to(Path.cwd())
        # By default the directory is multirun/2026-01-31/12-00-00.
        parts = [part for part in path.parts[-2:] if part not in ("/", "multirun")]
        return "_".join(parts)

    @property
    def labels(self) -> list[str]:
        """What was swept, in short: ``feature_key=teacher_cls_token``."""
        return [f"{key.rpartition('.')[2]}={value}" for key, value in self.values.items()]


def sweep_job() -> SweepJob | None:
    """Describe the job that is running.

    Returns:
        The job; None outside Hydra, and for a single run.
    """
    if not HydraConfig.initialized() or HydraConfig.get().mode is not RunMode.MULTIRUN:
        return None
    hydra: Any = HydraConfig.get()
    directory = Path(hydra.sweep.dir)
    own = {one.key: one for one in map(_Override, _parse(hydra.overrides.task))}
    swept = {*_keys_in_config(hydra), *_keys_of_sweep(directory)} & own.keys()
    values = {key: one.value for key, one in own.items() if key in (swept or own)}
    return SweepJob(number=int(hydra.job.num), directory=directory, values=values)


class _Override:
    """Key, without `+` and the like, and value of an override."""

    def __init__(self, override: Override) -> None:
        self.key = override.get_key_element().lstrip("+~")
        self.value = override.get_value_string()


def _keys_in_config(hydra: Any) -> Iterator[str]:
    """Keys that the sweeper's config says it sweeps, as an experiment file may."""
    for name in ("params", "search_space"):
        for key in OmegaConf.select(hydra.sweeper, name) or {}:
            yield key.lstrip("+~")


def _keys_of_sweep(directory: Path) -> Iterator[str]:
    """Keys that the command line sweeps."""
    try:
        asked = list(OmegaConf.load(directory / "multirun.yaml").hydra.overrides.task)
    except (OSError, OmegaConfBaseException):  # not every sweeper writes it
        asked = sys.argv[1:]
    for override in _parse(asked):
        if override.is_sweep_override():
            yield _Override(override).key


def _parse(overrides: Iterable[str]) -> Iterator[Override]:
    parser = OverridesParser.create()
    for text in overrides:
        try:
            yield parser.parse_override(text)
        except HydraException:  # a flag, or another program's argument
            continue
