"""One job of a sweep, and what tells it from the others. No torch here."""

from __future__ import annotations

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

from gramscope.sweep.overrides import short_names, short_value

__all__ = ["SweepJob", "sweep_job"]


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
        return [f"{names[key]}={short_value(value)}" for key, value in self.values.items()]


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
        return  # not every sweeper writes it
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
