"""What a sweeper optimises: the number, or numbers, that a job returns.

No torch here, and nothing of Lightning but the trainer that is passed in.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gramscope.config.callbacks import MonitorConfig, watching
from gramscope.config.instantiate import ConfigError
from gramscope.config.names import names
from gramscope.diagnosis import NUMBERS, number_of
from gramscope.sweep.job import sweep_job

__all__ = ["check_objective", "objective"]

log = logging.getLogger(__name__)


def objective(trainer: Any, name: str | Sequence[str] | None) -> float | list[float] | None:
    """Return the number, or numbers, that a sweeper is to optimise.

    Args:
        trainer: A Lightning trainer after `fit`.
        name: A metric by the key that loggers have it under: one of a gram callback, from its
            last event (``representation/offdiag_mean``; of several features one's,
            ``representation/teacher_head/effective_rank``), or one in `trainer.callback_metrics`
            (``train/loss``); several for a sweep with several directions; None for none.

    Returns:
        Its value, or a list of theirs; None, with a warning, if one is not a finite number, as
        after a run that diverged: Optuna's sweeper counts such a job as failed and goes on, where
        NaN would end the sweep.
        None also without a name, and on all ranks but the first, whose word counts.

    Raises:
        ConfigError: If there is no such metric.

    Example:
        The last line of a job: ``return gramscope.objective(trainer, cfg.objective)``.
    """
    if name is None or not trainer.is_global_zero:
        return None
    wanted = [name] if isinstance(name, str) else list(name)
    metrics = dict(trainer.callback_metrics)
    for callback, prefix in _watched(trainer.callbacks):
        missing = [one for one in wanted if _has(callback.config, prefix, one)]
        metrics.update(dict.fromkeys(missing, math.nan))
        metrics.update({f"{prefix}/{key}": value for key, value in callback.latest.items()})
    values = [value for one in wanted if (value := _finite(metrics, one)) is not None]
    if len(values) < len(wanted):
        return None
    return values[0] if isinstance(name, str) else values


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
    """Refuse, before a job of ``steps`` steps (-1: open) trains, an objective it could not return.

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
    watched = [(callback.config, prefix) for callback, prefix in _watched(callbacks)]
    for one in [name] if isinstance(name, str) else name or []:
        if not one.startswith("representation/"):
            continue
        due = [config.due_every for config, prefix in watched if _has(config, prefix, one)]
        if not due:
            raise ConfigError(
                f"Expected `objective` to be a metric of the run but got '{one}'; "
                f"those of gram callbacks are: {_examples(watched)}."
            )
        if 0 <= steps < due[0]:
            raise ConfigError(
                f"The objective '{one}' would have no value: the job takes {steps} optimizer "
                f"steps, and numbers are due every {due[0]}. Lower log_every_n_steps."
            )


def _watched(callbacks: Iterable[Any]) -> list[tuple[Any, str]]:
    """Each callback that watches a representation, and what its numbers' keys begin with."""
    found = watching(callbacks)
    prefixes = [called.prefix for called in names([callback.config for callback in found])]
    return list(zip(found, prefixes, strict=True))


def _has(config: MonitorConfig, prefix: str, key: str) -> bool:
    """Whether a callback's events may hold this number."""
    name, number = key.removeprefix(f"{prefix}/"), number_of(key)
    if number is None or name == key:
        return False
    feature = name.removesuffix(number.name).rstrip("/")
    features = _features(config)
    return (number.joint or feature in features) if features else not feature


def _features(config: MonitorConfig) -> list[str]:
    """Roles of the features that a callback watches together; none if it watches one."""
    return [role for role in config.watched if role]


def _examples(watched: Sequence[tuple[Any, str]]) -> str:
    headlines = [number.name for number in NUMBERS.values() if number.headline]
    keys = [
        "/".join(filter(None, (prefix, feature, name)))
        for config, prefix in watched
        for feature in _features(config) or [""]
        for name in headlines
    ]
    if not keys:
        return "none without a gram callback"
    return f"{', '.join(keys)}, and the others that `gramscope presets` lists"
