"""The environment variable GRAMSCOPE: what to watch where nobody has written a line for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

__all__ = ["VARIABLE", "is_off", "wanted"]

VARIABLE = "GRAMSCOPE"


def is_off() -> bool:
    """Whether all of Gramscope that works unasked is to stay away."""
    return os.environ.get(VARIABLE, "").strip().lower() == "off"


def wanted() -> Iterator[tuple[str, Any]]:
    """The presets that the variable names, each with its settings, ready to be instantiated.

    ``gram_teacher,gram_student max_samples=64 gram_student.log_every_n_steps=10``: presets, then
    values of parameters, for all gram presets or for one; quoted where they hold spaces.

    Raises:
        ConfigError: If there is no such preset or parameter, or a value is refused.
    """
    text = os.environ.get(VARIABLE, "")
    if not text.strip() or is_off():
        return
    from gramscope.config.instantiate import ConfigError

    try:
        words = _words(text)
        presets = [word for word in words if "=" not in word]
        values = [word.split("=", 1) for word in words if "=" in word]
        _check(presets, values)
        for preset in presets:
            yield f"{VARIABLE}={preset}", _node(preset, values)
    except Exception as error:  # YAML's are of many kinds
        message = str(error).partition("\n")[0]
        raise ConfigError(f"{VARIABLE}={text!r}: {message}") from error


def _words(text: str) -> list[str]:
    import shlex  # few applications come here

    split = shlex.shlex(text, posix=True)
    split.whitespace += ","
    split.whitespace_split, split.commenters = True, ""
    return list(split)


def _check(presets: list[str], values: list[list[str]]) -> None:
    for preset in presets:
        if preset not in _presets():
            raise ValueError(
                f"there is no preset {preset!r}; there are {', '.join(_presets())}, a parameter "
                f"takes a value with '=', and 'off' keeps everything away"
            )
    if not presets:
        first = " ".join(map("=".join, values))
        raise ValueError(f"name a preset first, as in '{next(iter(_presets()))} {first}'")
    for name, _ in values:
        _check_name(name, presets)


def _check_name(name: str, presets: list[str]) -> None:
    from gramscope.config.settings import helps

    preset, dot, parameter = name.rpartition(".")
    if dot and preset not in presets:
        raise ValueError(f"{name!r} is for a preset that is not named; named is {presets}")
    config = _presets()[preset or next(iter(_presets()))]
    if parameter not in helps(config):
        raise ValueError(
            f"there is no parameter {parameter!r}; there are {', '.join(helps(config))}"
        )


def _node(preset: str, values: list[list[str]]) -> Any:
    from omegaconf import OmegaConf

    from gramscope.config.nodes import node
    from gramscope.config.presets import OTHERS, PRESETS, SUB_GROUPS

    config = node(_presets()[preset])
    own = [f"{name.rpartition('.')[2]}={v}" for name, v in values if name.startswith(f"{preset}.")]
    common = [f"{name}={v}" for name, v in values if "." not in name]
    if preset in PRESETS:
        config.feature_key = SUB_GROUPS["gram/feature"].options[PRESETS[preset]]
    if preset not in OTHERS:
        own = [*(value for value in common if value.partition("=")[0] in config), *own]
    config.merge_with(OmegaConf.from_dotlist(own))
    return config


def _presets() -> dict[str, Any]:
    from gramscope.config.presets import MONITORS, OTHERS

    return {**MONITORS, **OTHERS}
