"""A callback's settings as Hydra composes them: checked at once, and plain in everybody's files."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from typing import Any

from omegaconf import (
    AnyNode,
    BooleanNode,
    DictConfig,
    FloatNode,
    IntegerNode,
    StringNode,
    ValueNode,
)
from omegaconf.errors import ValidationError

from gramscope.config.settings import CallbackConfig, Check, default_of, settings

__all__ = ["children", "is_preset", "node"]


def node(config: type[CallbackConfig], **more: Any) -> DictConfig:
    """The defaults of a structured config, in nodes that take no wrong name, type or value.

    Args:
        config: The structured config.
        more: What else the node is to hold, such as a defaults list.

    Unlike what `OmegaConf.structured` makes, none of it is pickled by reference to this package,
    so that a checkpoint with the config in it loads where this package is not installed.
    """
    hints = typing.get_type_hints(config)
    content: dict[str, Any] = {**more, "_target_": config._target_}
    for name, field in settings(config).items():
        content[name] = _leaf(name, hints[name], default_of(field), field.metadata["check"])
    return DictConfig(content, flags={"struct": True})


def is_preset(config: Any) -> bool:
    """Whether a node in a config that was composed in this process is one of ours, and not null."""
    return any(isinstance(child, _Checked) for _, child in children(config))


def children(config: Any) -> Iterator[tuple[str, Any]]:
    """Names and nodes in a mapping or a list as they stand there; none of anything else.

    OmegaConf's own iteration takes 100 times as long, and resolves interpolations.
    """
    content = getattr(config, "_content", None)
    if isinstance(content, (dict, list)):
        for name, child in content.items() if isinstance(content, dict) else enumerate(content):
            yield str(name), child


def _leaf(name: str, kind: Any, default: Any, check: Check) -> Any:
    if isinstance(default, dict):
        return DictConfig(default, flags={"struct": False})  # takes other roles
    if isinstance(default, tuple):
        return list(default)
    if kind == str | None:  # most of them paths, which nobody can judge before the run
        return StringNode(default, is_optional=True)
    if kind is Any:  # a mapping may take its place: checked when the callback is made
        return AnyNode(default)
    # Of one that may be either nothing is to be converted, and its check knows what is right.
    optional = {} if kind == str | int else {"is_optional": kind in (int | None, float | None)}
    leaf = _CHECKED[kind](default, **optional)
    leaf.setting = (name, check)
    return leaf


class _Checked(ValueNode):
    """A leaf that knows its setting's range; a plain leaf once it is pickled."""

    plain: Callable[..., Any]
    setting: tuple[str, Check] | None = None
    """Name and check; none of the default, which is right."""

    def validate_and_convert(self, value: Any) -> Any:
        value = super().validate_and_convert(value)
        if self.setting is not None:
            name, check = self.setting
            try:
                check(name, value)
            except (ValueError, TypeError) as error:
                raise ValidationError(str(error)) from None
        return value

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        copied = object.__new__(type(self))
        copied.__dict__.update(setting=self.setting, _flags_cache=None)
        self._deepcopy_impl(copied, memo)
        return copied

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        state = self.__getstate__()
        state.pop("setting", None)
        return self.plain, (), state


class _Boolean(_Checked, BooleanNode):
    plain = BooleanNode


class _Integer(_Checked, IntegerNode):
    plain = IntegerNode


class _Float(_Checked, FloatNode):
    plain = FloatNode


class _String(_Checked, StringNode):
    plain = StringNode


class _Scalar(_Checked, AnyNode):
    plain = AnyNode


_CHECKED: dict[Any, Any] = {
    bool: _Boolean,
    int: _Integer,
    int | None: _Integer,
    float: _Float,
    float | None: _Float,
    str: _String,
    str | int: _Scalar,
}
