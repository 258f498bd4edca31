"""An event's numbers by their keys: what each is, and its value as text."""

from __future__ import annotations

from collections.abc import Mapping

from gramscope.diagnosis.number import Number
from gramscope.diagnosis.table import NUMBERS

__all__ = ["NUMBERS", "Number", "format_number", "number_of", "with_ceiling"]


def number_of(key: str) -> Number | None:
    """The row of a key in an event, whatever feature or logger's prefix stands before the name.

    Example:
        >>> number_of("teacher_head/effective_rank").bad
        'low'
    """
    return NUMBERS.get(key.rpartition("/")[2])


def format_number(key: str, value: float) -> str:
    """A number as text; one that the table does not know gets four digits."""
    number = number_of(key)
    decimals = number.decimals if number else None
    return f"{value:.4g}" if decimals is None else f"{value:.{decimals}f}"


def with_ceiling(key: str, metrics: Mapping[str, float]) -> str:
    """A number of an event as text, beside what it cannot exceed if the event has that.

    Args:
        key: One of ``metrics``.
        metrics: The event's numbers.

    Example:
        >>> with_ceiling("effective_rank", {"effective_rank": 12.34, "rank_ceiling": 63.0})
        '12.3 of 63'
    """
    shown = format_number(key, metrics[key])
    number = number_of(key)
    if number is None or number.ceiling is None:
        return shown
    ceiling = f"{key.removesuffix(number.name)}{number.ceiling}"
    if ceiling not in metrics:
        return shown
    return f"{shown} of {format_number(ceiling, metrics[ceiling])}"
