"""Finds features in whatever a model returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from gramscope.events import Reason

__all__ = ["FeatureError", "as_rows", "available_keys", "lookup"]

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


def as_rows(value: Any, key: str) -> Tensor:
    """Features ``[N, D]`` from ``[N, D]``, or from the first token of ``[N, T, D]``.

    Args:
        value: What was found under ``key``.
        key: Named in the error.

    Raises:
        FeatureError: If it is no floating-point tensor of either shape.
    """
    if not isinstance(value, Tensor):
        raise FeatureError(
            Reason.not_a_tensor,
            f"feature_key={key!r} leads to a {type(value).__name__}; expected a tensor [N, D] "
            "or [N, T, D].",
        )
    if not value.is_floating_point() or value.ndim not in (2, 3):
        raise FeatureError(
            Reason.bad_shape,
            f"feature_key={key!r} leads to a tensor of shape {list(value.shape)} and "
            f"{value.dtype}; expected floating-point features [N, D] or [N, T, D].",
        )
    rows = _plain(value, key)
    return rows[:, 0] if rows.ndim == 3 else rows


def _plain(value: Tensor, key: str) -> Tensor:
    """A tensor that is nothing but one: this rank's rows of it where ranks hold parts.

    Operations on a subclass may do more than they say, on the monitor's thread too: those of a
    `DTensor` may talk to other ranks, over training's own process group.
    """
    if type(value) is Tensor:
        return value
    rows: Any = value.detach()
    if hasattr(rows, "placements"):
        if not all(p.is_replicate() or p.is_shard(0) for p in rows.placements):
            raise FeatureError(
                Reason.bad_shape,
                f"feature_key={key!r} leads to a DTensor with {rows.placements}, of which no rank "
                "has whole rows; expected Shard(0) or Replicate.",
            )
        rows = rows.to_local()
        rows = rows.trigger_wait() if hasattr(rows, "trigger_wait") else rows
    plain: Tensor = rows.as_subclass(Tensor)
    return plain


def available_keys(outputs: Any, prefix: str = "") -> list[str]:
    """Dotted paths of every tensor that could be features, at most a few dozen."""
    keys: list[str] = []
    for name, value in _children(outputs):
        path = f"{prefix}{name}"
        if isinstance(value, Tensor):
            if value.is_floating_point() and value.ndim in (2, 3):
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
