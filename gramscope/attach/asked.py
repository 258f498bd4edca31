"""What was asked for: on Hydra's command line, and in the environment variable GRAMSCOPE."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, MutableSequence
from difflib import get_close_matches
from functools import cache
from typing import Any

from omegaconf import OmegaConf

from gramscope.attach.job import job_config
from gramscope.callbacks._lightning import rank_zero_only
from gramscope.config.callbacks import watching
from gramscope.config.environment import wanted
from gramscope.config.instantiate import build
from gramscope.config.names import same
from gramscope.config.nodes import children, is_preset
from gramscope.config.presets import MONITORS, SUB_GROUPS, entries, is_gram_target
from gramscope.config.settings import helps

__all__ = ["missing"]

log = logging.getLogger(__name__)

_WITHOUT = "{} was asked for, and training goes on without it. {}"

_NO_BAR = (
    "The progress bar takes the place of Lightning's own, and this Trainer has none; "
    "give it to the Trainer among its callbacks."
)

_TAKEN = (
    "{place} was composed, and the `{parent}: null` that comes later has taken it away; put what "
    "says so (often it is `_self_`) earlier in the defaults list."
)

_MISSPELT = (
    "{key}={value} gives the config a key `{key}`, and no preset. "
    "Did you mean `+callbacks={value}`?"
)

_instantiates: Any = None
"""The config of the job whose program instantiates presets itself."""


def missing(given: MutableSequence[Any]) -> list[Any]:
    """Make what was asked for and is not among the callbacks that a trainer was given.

    What cannot be made is told, and training goes on without it.

    Args:
        given: The trainer's callbacks. Lightning's own progress bar goes if ours was asked for.
    """
    made = _built(_composed())
    if _program_has(made, given):
        made = []
    there = watching([*given, *made])
    for callback in _built(_wanted()):
        asked = [c.config for c in watching([callback])]  # none of a progress bar
        if not any(same(config, other.config) for config in asked for other in there):
            made.append(callback)
    return [c for c in made if watching([c]) or _takes_the_bars_place(c, given)]


def _built(asked: Iterable[tuple[str, Any]]) -> list[Any]:
    made: list[Any] = []
    for key, node in asked:
        try:
            callback = build(node, key)
            if callback.config not in [other.config for other in made]:
                callback.attached = key
                made.append(callback)
        except Exception as error:  # whatever it is, the others can do without
            _say(_WITHOUT.format(key, error))
    return made


def _program_has(composed: list[Any], given: MutableSequence[Any]) -> bool:
    """Whether the job's program instantiates presets itself; it then has what it wants."""
    global _instantiates
    own = [callback.config for callback in watching(given) if not callback.attached]
    if any(same(callback.config, config) for callback in watching(composed) for config in own):
        _instantiates = job_config()
    return _instantiates is not None and _instantiates is job_config()


def _takes_the_bars_place(bar: Any, given: MutableSequence[Any]) -> bool:
    if any(isinstance(callback, type(bar)) for callback in given):
        return False
    for callback in given:
        if type(callback).__name__ in ("TQDMProgressBar", "RichProgressBar"):
            given.remove(callback)
            return True
    _say(_WITHOUT.format(bar.attached, _NO_BAR))
    return False


def _wanted() -> list[tuple[str, Any]]:
    try:
        return [*wanted()]
    except Exception as error:
        _say(_WITHOUT.format("A gram matrix", error))
        return []


def _composed() -> Iterator[tuple[str, Any]]:
    """What presets have put into the config of the Hydra job under way."""
    config = job_config()
    _say_what_is_misspelt(config)
    _say_what_has_no_preset(config)
    _say_what_was_taken_away(config)
    for key, node in children(config):
        if key != "hydra":
            yield from _presets(node, key)


def _presets(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    if is_preset(node) or (key in _PLACES and is_gram_target(_target(node))):
        yield key, node
    else:
        for name, child in children(node):
            yield from _presets(child, f"{key}.{name}")


def _target(node: Any) -> Any:
    leaf = dict(children(node)).get("_target_")
    return leaf and leaf._value()


_PLACES = {f"callbacks.{name}" for name in (*MONITORS, "gramscope")}
"""Where presets are in a config that was saved and is run again."""


def _say_what_is_misspelt(config: Any) -> None:
    """`+callback=gram_teacher`, to which nobody objects."""
    for key, node in children(config):
        if key != "callbacks" and get_close_matches(key, ["callbacks"], cutoff=0.85):
            nodes = [child for _, child in children(node)]
            names = [str(one._value()) for one in nodes or [node]]
            if all(name in entries()["callbacks"] for name in names):
                value = f"[{','.join(names)}]" if nodes else names[0]
                _say(_MISSPELT.format(key=key, value=value))


def _say_what_has_no_preset(config: Any) -> None:
    parameters = {name for config in MONITORS.values() for name in helps(config)}
    telling = {group.parameter for group in SUB_GROUPS.values()}
    for name, node in children(dict(children(config)).get("callbacks")):
        values = {key for key, _ in children(node)}
        if f"callbacks.{name}" in _PLACES and values & telling and values <= parameters:
            _say(
                f"callbacks.{name} has values, and no preset to go with them: "
                f"{OmegaConf.to_container(node)}. Add the preset, "
                f"`+callbacks={'gram' if name == 'gramscope' else name}`, or give them to the one "
                f"there is."
            )


def _say_what_was_taken_away(config: Any) -> None:
    top = dict(children(config))
    if "hydra" not in top:
        return
    task = (text._value() for _, text in children(top["hydra"].overrides.task))
    overridden = {re.split("[.=@]", text.lstrip("+~"))[0] for text in task}
    for choice in top["hydra"].runtime.choices:
        group, _, place = choice.partition("@")
        parent = (place or "callbacks.gram").partition(".")[0]
        gone = parent in top and top[parent]._value() is None
        if group == "gram/feature" and gone and parent not in overridden:
            _say(_TAKEN.format(place=place or "callbacks.gram", parent=parent))


@cache
@rank_zero_only
def _say(message: str) -> None:
    """Once, however many trainers a program makes."""
    log.warning("%s", message)
