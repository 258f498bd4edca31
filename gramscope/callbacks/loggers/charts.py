"""TensorBoard's page of custom scalars: a chart for each number, with a line for each feature."""

from __future__ import annotations

import mmap
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from gramscope.diagnosis import NUMBERS

__all__ = ["Charts", "Layout"]

Layout = dict[str, dict[str, "list[str | list[str]]"]]
"""Titles of the page's parts, in them titles of charts, and what each chart shows."""

_PARTS = {
    "gram": "similarity",
    "features": "directions in use",
    "views": "views",
    "labels": "labels",
    "roles": "features beside one another",
    "logits": "assignments",
    "probe": "the same samples over time",
    "patches": "patches",
}
"""Of the page, by what their numbers need; before them come the headlines."""
_TAG_OF_LAYOUTS = b"custom_scalars__config__"


class Charts:
    """The one layout that a run has room for: that of all callbacks, or one that was there before.

    TensorBoard shows the last that was written.
    """

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted
        self._names: set[str] = set()

    @classmethod
    def of(cls, logger: Any, directory: Path) -> Charts:
        """Those of a logger, which callbacks share.

        Args:
            logger: The trainer's.
            directory: Where its files are. If they hold a layout already, of an earlier part of
                the run or of the program's own, that is left alone.

        Raises:
            OSError: If the files cannot be read.
        """
        if logger not in _of_loggers:
            files = directory.glob("events.out.tfevents.*")
            _of_loggers[logger] = cls(wanted=not any(map(_holds_layout, files)))
        return _of_loggers[logger]

    def with_chart_of(self, keys: Iterable[str]) -> Layout | None:
        """The layout to be written, if these numbers have no chart yet."""
        names = {key.rpartition("/")[2] for key in keys}
        if not self._wanted or names <= self._names:
            return None
        self._names |= names
        return _layout(self._names)


_of_loggers: WeakKeyDictionary[Any, Charts] = WeakKeyDictionary()


def _holds_layout(file: Path) -> bool:
    if not file.stat().st_size:
        return False  # there is no map of nothing
    with file.open("rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(_TAG_OF_LAYOUTS) >= 0


def _layout(names: Collection[str]) -> Layout:
    present = [number for number in NUMBERS.values() if number.name in names]
    parts = {"representation": [number.name for number in present if number.headline]}
    parts["representation"] += ["diagnosis"] if "diagnosis" in names else []
    for needs, title in _PARTS.items():
        parts[f"representation: {title}"] = [n.name for n in present if n.needs == needs]
    return {title: dict(map(_chart, charts)) for title, charts in parts.items() if charts}


def _chart(name: str) -> tuple[str, list[str | list[str]]]:
    """A chart of all keys of a number, whatever features and logger's prefix stand in them."""
    return name, ["Multiline", [rf"(.*-)?representation/(.*/)?{name}$"]]
