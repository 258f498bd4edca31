"""A key that is most probably misspelt is refused before the run.

No torch here: Hydra imports this before the job.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

__all__ = ["KeyCheck"]

_PRIMARY = Path(__file__).parents[2] / "conf" / "train.yaml"
_ADDED = ("callbacks", "gramscope")
"""Groups of which an option is added, and not chosen."""


class KeyCheck(Callback):
    """Hydra callback that refuses a key such as `callback`, which `+` adds and nobody reads.

    Other keys are somebody's own, for interpolation or for `+gramscope@here=teacher`.
    It ends the program with SystemExit, since Hydra turns any `Exception` of a callback into a
    warning.
    """

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the keys of a single run."""
        _check(config)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the keys of a sweep, those that are swept included."""
        _check(config)


def _check(config: DictConfig) -> None:
    known = {*_keys(), *_ADDED}
    overrides = [text.lstrip("+~") for text in config.hydra.overrides.task]
    for text in [*overrides, *map(str, config)]:
        key = re.split(r"[^\w-]", text)[0]
        close = [] if key in known else get_close_matches(key, known, n=1, cutoff=0.85)
        if close:
            plus = "+" * (close[0] in _ADDED and text != key)
            meant = f"{plus}{close[0]}{text.removeprefix(key)}"
            raise SystemExit(f"The job has no key `{key}`. Did you mean `{meant}`?")


def _keys() -> Iterator[str]:
    """Keys of the primary config, and those that its defaults list brings."""
    primary: Any = OmegaConf.to_container(OmegaConf.load(_PRIMARY))
    for entry in primary.pop("defaults"):
        (name,) = entry if isinstance(entry, dict) else [entry]
        yield name.partition("/")[0]
    yield from primary
