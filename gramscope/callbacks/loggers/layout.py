"""TensorBoard's page of custom scalars: a chart for each number, with a line for each feature."""

from __future__ import annotations

from collections.abc import Iterable

from gramscope.diagnosis import NUMBERS, Number

__all__ = ["LAYOUT"]

_PARTS = {
    "gram": "similarity",
    "features": "directions in use",
    "views": "views",
    "labels": "labels",
    "roles": "features beside one another",
    "logits": "assignments",
}
"""Of the page, by what their numbers need; before them come the headlines."""


def _chart(name: str) -> list[str | list[str]]:
    """A chart of all keys of a number, whatever features and prefixes stand in them."""
    return ["Multiline", [rf"(.*-)?representation/(.*/)?{name}$"]]


def _charts(numbers: Iterable[Number]) -> dict[str, list[str | list[str]]]:
    return {number.name: _chart(number.name) for number in numbers}


_HEADLINES = {
    **_charts(number for number in NUMBERS.values() if number.headline),
    "diagnosis": _chart("diagnosis"),
}
LAYOUT = {
    "representation": _HEADLINES,
    **{
        f"representation: {title}": _charts(n for n in NUMBERS.values() if n.needs == needs)
        for needs, title in _PARTS.items()
    },
}
"""Titles of the page's parts, in them titles of charts, and what each chart shows."""
