"""The one table of thresholds: value, unit, range and reason of each."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["THRESHOLDS", "Threshold", "thresholds"]


@dataclass(frozen=True)
class Threshold:
    """A value that numbers are compared with."""

    name: str
    default: float
    low: float
    high: float
    unit: str
    why: str
    """What it decides, and why there."""


# fmt: off
_ROWS = (
    Threshold("confirm_events", 2, 1, 1000, "events",
              "How many events in a row a rule has to hold for a state to begin."),
    Threshold("clear_events", 3, 1, 1000, "events",
              "How many events in a row it has to fail for the state to end."),
)
# fmt: on

THRESHOLDS = {row.name: row for row in _ROWS}
"""By name."""


def thresholds(changed: Mapping[str, Any] | None = None) -> dict[str, float]:
    """All values by name, some of which are others than their defaults.

    Args:
        changed: Values by name.

    Raises:
        ValueError: If a name is unknown or a value out of range.
        TypeError: If a value is no number.
    """
    values = {name: row.default for name, row in THRESHOLDS.items()}
    for name, value in (changed or {}).items():
        values[_known(name)] = _checked(THRESHOLDS[name], value)
    return values


def _known(name: str) -> str:
    if name not in THRESHOLDS:
        close = ", ".join(difflib.get_close_matches(str(name), THRESHOLDS)) or "see the docs"
        raise ValueError(f"`thresholds` has no {name!r}: {close}")
    return name


def _checked(row: Threshold, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"`thresholds.{row.name}` must be a number, but is {value!r}")
    if not row.low <= value <= row.high:
        raise ValueError(
            f"`thresholds.{row.name}` must be from {row.low:g} to {row.high:g} {row.unit}, "
            f"but is {value!r}"
        )
    return float(value)
