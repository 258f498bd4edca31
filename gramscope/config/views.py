"""Which rows of a batch are views of one sample, as it is declared.

Only the standard library is imported here, see `gramscope.config.callbacks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

__all__ = ["Layout", "Views", "views"]


class Layout(str, Enum):
    """How the rows of a batch of n samples with V views each are ordered."""

    # All samples' first view, then all samples' second one: row = view * n + sample.
    stacked = "stacked"
    # All views of the first sample, then all of the second: row = sample * V + view.
    interleaved = "interleaved"


@dataclass(frozen=True)
class Views:
    """How many views each sample has, and where their rows stand.

    Raises:
        ValueError: If a value is out of range.
        TypeError: If one is of the wrong type.
    """

    count: int
    """V, at least 2."""
    layout: str = Layout.stacked.value
    alike: int | None = None
    """The first so many views are of one crop type, which numbers compare; ``None``: all."""

    def __post_init__(self) -> None:
        """Check every value."""
        _require_count("count", self.count, 2, None)
        if self.layout not in [layout.value for layout in Layout]:
            raise ValueError(f"`layout` must be 'stacked' or 'interleaved', but is {self.layout!r}")
        object.__setattr__(self, "layout", Layout(self.layout).value)
        if self.alike is not None:
            _require_count("alike", self.alike, 2, self.count)

    @property
    def comparable(self) -> int:
        """How many views numbers compare: the first of each sample."""
        return self.alike or self.count


def views(name: str, value: Any) -> Views | None:
    """Check a declaration of views: a number, a mapping, `Views`, or None for not known.

    Raises:
        ValueError: If it is none of these, or a value is out of range.
        TypeError: If a value is of the wrong type.
    """
    if value is None or isinstance(value, Views):
        return value
    given = dict(value) if isinstance(value, Mapping) else {"count": value}
    try:
        if unknown := set(given) - set(Views.__dataclass_fields__):
            raise ValueError(f"it has no {', '.join(sorted(map(repr, unknown)))}")
        if "count" not in given:
            raise ValueError("it lacks `count`")
        return Views(**given)
    except (ValueError, TypeError) as error:
        raise type(error)(
            f"Expected argument `{name}` to be the number of views of a sample, at least 2, or "
            f"`{{count: 2, layout: stacked}}` with layout stacked or interleaved, but got "
            f"{value!r}: {error}."
        ) from None


def _require_count(name: str, value: Any, low: int, high: int | None) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"`{name}` must be a whole number, but is {value!r}")
    if value < low or (high is not None and value > high):
        to = "" if high is None else f" and at most {high}"
        raise ValueError(f"`{name}` must be at least {low}{to}, but is {value!r}")
