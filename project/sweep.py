"""One job of a sweep: what it returns to the sweeper, and what tells it from the others.

No torch here, and nothing of Lightning but the trainer that is passed in.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from project.overrides import short_names

__all__ = ["SweepJob", "check_objective", "objective", "sweep_job"]

log = logging.getLogger(__name__)


def objective(trainer: Any, name: str | Sequence[str] | None) -> float | list[float] | None:
    """Return the number, or numbers, that a sweeper is to optimise.

    Args:
        trainer: A Lightning trainer after `fit`.
        name: A metric by the key that loggers have it under: one of a gram callback, from its
            last event (``representation/offdiag_mean``), or one in `trainer.callback_metrics`
            (``train/loss``); several for a sweep with several directions; None for none.

    Returns:
        Its value, or a list of theirs; None, with a warning, if one is not a finite number, as
        after a run that diverged: Optuna's sweeper counts such a job as failed and goes on, where
        NaN would end the sweep.
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
    names = [name] if isinstance(name, str) else list(name)
    values = [_finite(metrics, one) for one in names]
    if None in values:
        return None
    return values[0] if isinstance(name, str) else values  # type: ignore[return-value]


def _finite(metrics: Mapping[str, Any], name: str) -> float | None:
    if name not in metrics:
        there = ", ".join(sorted(metrics)) or "none"
        raise ConfigError(
            f"Expected `objective` to be a metric of the run but got '{name}'; there are: {there}."
        )
    value = float(metrics[name])
    if not math.isfinite(value):
        log.warning("The objective %s has no value in this run; the sweeper gets none.", name)
        return None
    return value


def check_objective(name: str | Sequence[str] | None, callbacks: Sequence[Any], steps: int) -> None:
    """Refuse, before a job trains, an objective that it could not return.

    Args:
        name: As for `objective`. What the module is going to log can't be known here.
        callbacks: The trainer's.
        steps: Optimizer steps that the job takes; -1 if that is open.

    Raises:
        ConfigError: If a gram callback's metric is asked for that none will have, or if there is
            no objective for a sweeper that needs one.
    """
    job = sweep_job()
    if name is None and job is not None and job.optimises:
        raise ConfigError(
            "The sweeper optimises what a job returns, and `objective` is null: name a metric, "
            "for example objective=representation/offdiag_mean."
        )
    watching = [callback for callback in callbacks if hasattr(callback, "latest_logged")]
    due = {key: c.log_every_n_steps for c in watching for key in _keys(c, len(watching))}
    for one in [name] if isinstance(name, str) else name or []:
        if not one.startswith("representation/"):
            continue
        if one not in due:
            there = ", ".join(sorted(due)) or "none without a gram callback"
            raise ConfigError(
                f"Expected `objective` to be a metric of the run but got '{one}'; "
                f"those of gram callbacks are: {there}."
            )
        if 0 <= steps < due[one]:
            raise ConfigError(
                f"The objective '{one}' would have no value: the job takes {steps} optimizer "
                f"steps, and a gram matrix is due every {due[one]}. Lower log_every_n_steps."
            )


def _keys(callback: Any, watching: int) -> Iterator[str]:
    """Keys that the metrics of a gram callback will have, one of several or alone."""
    for key in callback.latest_logged:
        metric = key.rpartition("/")[2]
        of_feature = f"/{callback.feature_key}" if watching > 1 else ""
        yield f"representation{of_feature}/{metric}"


@dataclass(frozen=True)
class SweepJob:
    """Where a job stands in its sweep."""

    number: int
    """Counted from 0."""
    directory: Path
    """Of the whole sweep."""
    values: dict[str, str]
    """What was swept, and the value in this job; for the group choice ``+callbacks=gram_teacher``
    the key is ``callbacks``. Empty if nobody knows."""
    optimises: bool
    """Whether the sweeper optimises what the jobs return."""

    @property
    def group(self) -> str:
        """The same for all jobs of the sweep: its directory as a name."""
        start = Path(HydraConfig.get().runtime.cwd)
        inside = self.directory.is_relative_to(start)
        parts = self.directory.relative_to(start).parts if inside else self.directory.parts[-2:]
        # By default the directory is multirun/2026-01-31/12-00-00.
        named = [part for part in parts if part not in ("/", "multirun")]
        return "_".join(named) or self.directory.name

    @property
    def labels(self) -> list[str]:
        """What was swept, in short: ``feature_key=teacher_cls_token``."""
        names = short_names(self.values)
        return [f"{names[key]}={value}" for key, value in self.values.items()]


def sweep_job() -> SweepJob | None:
    """Describe the job that is running.

    Returns:
        The job; None outside Hydra, and for a single run.
    """
    if not HydraConfig.initialized() or HydraConfig.get().mode is not RunMode.MULTIRUN:
        return None
    hydra: Any = HydraConfig.get()
    # A job may have changed the working directory.
    directory = (Path(hydra.runtime.cwd) / hydra.sweep.dir).resolve()
    own = {one.key: one.value for one in map(_Override, _parse(hydra.overrides.task))}
    swept = {*_keys_in_config(hydra), *_keys_of_sweep(directory)}
    return SweepJob(
        number=int(hydra.job.num),
        directory=directory,
        values={key: value for key, value in own.items() if key in swept},
        optimises=OmegaConf.select(hydra.sweeper, "direction") is not None,
    )


class _Override:
    """Key, without `+` and the like, and value of an override."""

    def __init__(self, override: Override) -> None:
        self.key = override.get_key_element().lstrip("+~")
        self.value = "" if override.value_type is None else override.get_value_string()


def _keys_in_config(hydra: Any) -> Iterator[str]:
    """Keys that the sweeper's config says it sweeps, as an experiment file may."""
    for name in ("params", "search_space"):
        for key in OmegaConf.select(hydra.sweeper, name) or {}:
            yield key.lstrip("+~")


def _keys_of_sweep(directory: Path) -> Iterator[str]:
    """Keys that the command line sweeps."""
    try:
        asked = list(OmegaConf.load(directory / "multirun.yaml").hydra.overrides.task)
    except (OSError, OmegaConfBaseException):
        return  # not every sweeper writes it; in the bundled job `SweepRecord` does
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
