"""Finds features in whatever a model returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from gramscope.events import Reason

__all__ = ["FeatureError", "available_keys", "lookup"]

_MAX_LISTED = 24
_MAX_DEPTH = 6


class FeatureError(Exception):
    """The output at hand holds no usable features under the key; the message says what it holds."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def lookup(outputs: Any, key: str) -> Any:
    """Follow a dotted path into nested mappings, sequences and attributes.

    At each level a key that contains dots itself wins over descending.

    Args:
        outputs: What a model or a training step returned.
        key: For example ``teacher_cls_token``, ``pred.teacher_cls_token`` or ``views.0.cls``.

    Raises:
        KeyError: If the path leads nowhere.
    """
    if isinstance(outputs, Mapping):
        if key in outputs:
            return outputs[key]
        head, dot, rest = key.partition(".")
        while dot:
            if head in outputs:
                return lookup(outputs[head], rest)
            more, dot, rest = rest.partition(".")
            head = f"{head}.{more}"
        raise KeyError(key)
    head, _, rest = key.partition(".")
    if isinstance(outputs, (list, tuple)) and head.isdecimal() and int(head) < len(outputs):
        value = outputs[int(head)]
    elif _has_fields(outputs) and hasattr(outputs, head):
        value = getattr(outputs, head)
    else:
        raise KeyError(key)
    return lookup(value, rest) if rest else value


def available_keys(outputs: Any, prefix: str = "") -> list[str]:
    """Dotted paths of every tensor that could be features, at most a few dozen."""
    keys: list[str] = []
    for name, value in _children(outputs):
        path = f"{prefix}{name}"
        if isinstance(value, Tensor):
            if value.is_floating_point() and value.ndim > 1:
                keys.append(path)
        elif path.count(".") < _MAX_DEPTH:
            keys += available_keys(value, f"{path}.")
        if len(keys) >= _MAX_LISTED:
            break
    return keys[:_MAX_LISTED]


def _children(outputs: Any) -> list[tuple[Any, Any]]:
    if isinstance(outputs, Mapping):
        return list(outputs.items())
    if _has_fields(outputs):
        names = getattr(outputs, "_fields", None) or list(outputs.__dataclass_fields__)
        return [(name, getattr(outputs, name, None)) for name in names]
    if isinstance(outputs, (list, tuple)):
        return list(enumerate(outputs))
    return []


def _has_fields(value: Any) -> bool:
    """Whether ``value`` is a named tuple or a dataclass, whose fields count as keys."""
    return hasattr(value, "_fields") or hasattr(value, "__dataclass_fields__")
