"""How a callback's setting is written down: default, help and check in one field."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import os
import re
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

__all__ = [
    "CallbackConfig",
    "Check",
    "Pool",
    "above_zero",
    "alarms",
    "checked",
    "configured_by",
    "default_of",
    "directory",
    "features",
    "flag",
    "helps",
    "is_url",
    "local_path",
    "numbers",
    "one_of",
    "optional",
    "pooling",
    "setting",
    "settings",
    "some_of",
    "text",
    "thresholds",
    "whole_number",
]


class Pool(str, Enum):
    """How features of more than two dimensions become ``[N, D]``."""

    # Token 0 of [N, T, D].
    cls = "cls"
    # Over all that lies between N and D: tokens, or positions of [N, H, W, D].
    mean = "mean"
    # Over the positions of [N, C, H, W].
    gap = "gap"
    # All values of a sample.
    flatten = "flatten"


# Takes a setting's name and value, and gives the value as it is to be used.
Check = Callable[[str, Any], Any]
Class = TypeVar("Class", bound=type[Any])
Config = TypeVar("Config", bound="CallbackConfig")


def setting(default: Any, meaning: str, check: Check) -> Any:
    """Make a field.

    Args:
        default: Its default.
        meaning: What it means, its unit and its range, in Markdown.
        check: See `whole_number` and the others below.
    """
    metadata = {"help": meaning, "check": check}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def default_of(field: dataclasses.Field[Any]) -> Any:
    """A setting's default."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


@dataclasses.dataclass
class CallbackConfig:
    """Settings of a callback: what Hydra composes, and what the callback works with.

    Hydra checks names and types while it composes; making one checks the values.

    Raises:
        ValueError: If a value is out of range; the message names field, value and range.
        TypeError: If a value is of the wrong type.
    """

    _target_: str = ""

    def __post_init__(self) -> None:
        """Check every value."""
        values = {name: getattr(self, name) for name in settings(type(self))}
        for name, value in checked(type(self), **values).items():
            setattr(self, name, value)

    @classmethod
    def of(cls: type[Config], arguments: Mapping[str, Any]) -> Config:
        """Make one from a constructor's `locals()`."""
        return cls(**{name: arguments[name] for name in settings(cls)})


def checked(config: type[CallbackConfig], **values: Any) -> dict[str, Any]:
    """Values by name as a callback of such settings would use them; raises what it would."""
    fields = settings(config)
    return {name: fields[name].metadata["check"](name, value) for name, value in values.items()}


def helps(config: type[CallbackConfig]) -> dict[str, str]:
    """What each setting means, by name, in order."""
    return {name: field.metadata["help"] for name, field in settings(config).items()}


def configured_by(config: type[CallbackConfig]) -> Callable[[Class], Class]:
    """Give a callback the settings of its attribute ``config``: documented, and as attributes."""

    def decorate(callback: Class) -> Class:
        callback.__doc__ = f"{inspect.cleandoc(callback.__doc__ or '')}\n\nArgs:\n{_documented()}"
        for name in settings(config):
            if not hasattr(callback, name):  # Lightning's own
                setattr(callback, name, _attribute(name))
        return callback

    def _documented() -> str:
        entries = (f"{name}: {text.replace('`', '``')}" for name, text in helps(config).items())
        wrapper = textwrap.TextWrapper(96, initial_indent=" " * 4, subsequent_indent=" " * 8)
        wrapper.break_on_hyphens = False
        return "\n".join(map(wrapper.fill, entries))

    return decorate


def settings(config: type[CallbackConfig]) -> dict[str, dataclasses.Field[Any]]:
    """The field of each setting, by name, in order."""
    return {f.name: f for f in dataclasses.fields(config) if not f.name.startswith("_")}


def _attribute(name: str) -> property:
    def get(callback: Any) -> Any:
        return getattr(callback.config, name)

    def put(callback: Any, value: Any) -> None:
        callback.config = dataclasses.replace(callback.config, **{name: value})

    return property(get, put)


def whole_number(low: int) -> Check:
    """A check for whole numbers from ``low`` on."""

    def check(name: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"Expected argument `{name}` to be a whole number, but got {value!r}.")
        if value < low:
            raise ValueError(f"Expected argument `{name}` to be at least {low}, but got {value!r}.")
        return value

    return check


def flag(name: str, value: Any) -> bool:
    """Check a yes or no."""
    if not isinstance(value, bool):
        raise TypeError(f"Expected argument `{name}` to be true or false, but got {value!r}.")
    return value


def above_zero(unit: str) -> Check:
    """A check for finite amounts above 0 of a unit."""

    def check(name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError(
                f"Expected argument `{name}` to be a number of {unit}, but got {value!r}."
            )
        if not 0 < value < sys.float_info.max:
            raise ValueError(
                f"Expected argument `{name}` to be a finite number of {unit} above 0, "
                f"but got {value!r}."
            )
        return float(value)

    return check


def text(name: str, value: Any) -> str:
    """Check a name, a key or a path: any string but an empty one."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"Expected argument `{name}` to be a non-empty string, but got {value!r}.")
    return value


def one_of(choices: type[Enum]) -> Check:
    """A check for the values of an Enum of strings, or its members; gives the value."""

    def check(name: str, value: Any) -> str:
        try:
            return str(choices(value).value)
        except ValueError:
            listed = ", ".join(repr(choice.value) for choice in choices)
            raise ValueError(
                f"Expected argument `{name}` to be one of {listed}, but got {value!r}."
            ) from None

    return check


def numbers(name: str, value: Any) -> str | tuple[str, ...]:
    """Check a choice of numbers: ``gram``, ``standard``, or names out of the table."""
    from gramscope.diagnosis import NUMBERS  # not at the start of every Hydra application

    if value in ("gram", "standard"):
        return str(value)
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise ValueError(
            f"Expected argument `{name}` to be 'gram', 'standard' or a list of names, but got "
            f"{value!r}."
        )
    for one in value:
        if one not in NUMBERS:
            close = difflib.get_close_matches(str(one), NUMBERS, n=3) or list(NUMBERS)[:3]
            raise ValueError(
                f"Expected argument `{name}` to hold names of numbers, but got {one!r}; close to "
                f"it are {', '.join(close)}. `gramscope presets` lists them."
            )
    return tuple(value)


def alarms(name: str, value: Any) -> tuple[str, ...]:
    """Check a list of names of states that are alarms; gives a tuple of them."""
    from gramscope.diagnosis import STATES  # not at the start of every Hydra application

    given = [value] if isinstance(value, str) else value
    if not isinstance(given, Sequence):
        raise TypeError(f"Expected argument `{name}` to be a list of states, but got {value!r}.")
    there = [state for state, kind in STATES.items() if kind.alarm]
    for one in given:
        if one not in there:
            known = difflib.get_close_matches(str(one), there, n=3) or there
            why = "is no alarm" if one in [*STATES] else "is no state"
            raise ValueError(
                f"Expected argument `{name}` to hold names of states that are alarms, but got "
                f"{one!r}, which {why}; there {'is' if len(known) == 1 else 'are'} "
                f"{', '.join(known)}."
            )
    return tuple(dict.fromkeys(given))


def thresholds(name: str, value: Any) -> dict[str, float]:
    """Check values of a diagnosis's thresholds by name; gives those alone."""
    from gramscope.diagnosis.thresholds import thresholds as checked

    if not isinstance(value, Mapping):
        raise TypeError(
            f"Expected argument `{name}` to be a mapping from thresholds to values, but got "
            f"{value!r}."
        )
    values = checked(value)
    return {one: values[one] for one in value}


def pooling(name: str, value: Any) -> str | int:
    """Check a way to pool: one of `Pool`, or a token's index, counted from the end if negative."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        return str(Pool(value).value)
    except ValueError:
        listed = ", ".join(repr(choice.value) for choice in Pool)
        raise ValueError(
            f"Expected argument `{name}` to be one of {listed}, or a token's index, but got "
            f"{value!r}."
        ) from None


def some_of(choices: type[Enum]) -> Check:
    """A check for a list of values of an Enum of strings; gives a tuple of them."""

    def check(name: str, value: Any) -> tuple[str, ...]:
        given = [value] if isinstance(value, (str, Enum)) else value
        if not isinstance(given, Sequence):
            raise TypeError(f"Expected argument `{name}` to be a list, but got {value!r}.")
        return tuple(dict.fromkeys(one_of(choices)(name, one) for one in given))

    return check


def features(name: str, value: Any) -> dict[str, str]:
    """Check a mapping from roles, which name pictures and numbers, to feature keys."""
    if not isinstance(value, Mapping) or not value:
        raise ValueError(
            f"Expected argument `{name}` to be a mapping from roles to feature keys, as "
            f"{{teacher_head: teacher_cls_token}}, but got {value!r}."
        )
    there = {role: key for role, key in value.items() if key is not None}  # null takes one away
    checked = {text(name, role): text(f"{name}.{role}", key) for role, key in there.items()}
    if odd := [role for role in checked if not re.fullmatch(r"[\w.-]+", role)]:
        raise ValueError(
            f"Expected argument `{name}` to have roles of letters, digits, '_', '-' and '.', but "
            f"got {odd[0]!r}."
        )
    return checked


def optional(check: Check) -> Check:
    """A check that lets None pass."""
    return lambda name, value: None if value is None else check(name, value)


def directory(name: str, value: Any) -> str:
    """Check a directory that is there and can be written to, or can be made."""
    path = local_path(name, value)
    existing = next(p for p in (path, *path.absolute().parents) if p.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise ValueError(
            f"Expected argument `{name}` to be a directory that can be written to, "
            f"but got {str(value)!r}: {existing} is "
            f"{'not writable' if existing.is_dir() else 'not a directory'}."
        )
    return str(path)


def local_path(name: str, value: Any) -> Path:
    """Check a path on this machine, which no URL is, ``file://`` included."""
    if is_url(value):
        raise ValueError(
            f"Expected argument `{name}` to be the path of a local directory, but got the URL "
            f"{str(value)!r}: files are written on this machine, and loggers carry pictures to "
            f"remote places."
        )
    return Path(value)


def is_url(path: Any) -> bool:
    """Whether it starts as a URL of fsspec's does; `Path` has made ``s3:/b`` of ``s3://b``."""
    return re.match(r"[A-Za-z][\w+.:-]+:/", str(path)) is not None
