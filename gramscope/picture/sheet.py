"""Tiles in rows and columns, with words above and at the left that never run into each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from matplotlib.figure import Figure

from gramscope.picture.paint import Pixels

__all__ = ["Sheet"]

_SIZE = 9.0  # points
_LINE, _LETTER = 14, 7.4  # pixels of that size, of a letter at most about so many
_GAP = 10  # between tiles; what outlines a patch at an edge has room in it


@dataclass(frozen=True)
class Sheet:
    """Where tiles stand, in pixels from the upper left corner of the sheet."""

    heads: tuple[str, ...]
    """By column."""
    names: tuple[str, ...]
    """By row, of one or more lines."""
    tiles: tuple[tuple[int, int], ...]
    """By row, height and width of the largest of its tiles."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self._lefts[-1] - _GAP, self._tops[-1] - _GAP

    @property
    def first(self) -> tuple[int, int]:
        """Where the first tile begins, from the left and from above."""
        return self._lefts[0], self._tops[0]

    @cached_property
    def middles(self) -> list[float]:
        """Of each column's tiles, from the left."""
        widest = max(width for _, width in self.tiles)
        return [left + widest / 2 for left in self._lefts[:-1]]

    def write(self, figure: Figure, left: int, top: int) -> None:
        """Put the words into a picture in which the sheet has this place."""
        width, height = figure.bbox.width, figure.bbox.height

        def text(x: float, y: float, words: str, ha: str, va: str) -> None:
            at = (left + x) / width, 1 - (top + y) / height
            figure.text(*at, words, size=_SIZE, ha=ha, va=va, parse_math=False)

        for x, head in zip(self.middles, self.heads, strict=True):
            text(x, self._tops[0] - 5, head, "center", "baseline")
        for y, name, (tall, _) in zip(self._tops, self.names, self.tiles, strict=False):
            text(self._lefts[0] - 8, y + tall / 2, name, "right", "center")

    def put(self, pixels: Pixels, left: int, top: int, rows: Sequence[Sequence[Pixels]]) -> None:
        """Put tiles into their places."""
        for y, row in zip(self._tops, rows, strict=False):
            for x, tile in zip(self._lefts, row, strict=False):
                height, width = tile.shape
                pixels[top + y :, left + x :][:height, :width] = tile

    @cached_property
    def _lefts(self) -> list[int]:
        """Of each column, and of one more."""
        longest = max((len(line) for name in self.names for line in name.split("\n")), default=0)
        start = int(longest * _LETTER) + 8 * bool(longest)
        widest = max(width for _, width in self.tiles)
        words = max(int(len(head) * _LETTER) for head in self.heads)
        return [start + i * (max(widest, words) + _GAP) for i in range(len(self.heads) + 1)]

    @cached_property
    def _tops(self) -> list[int]:
        """Of each row, and of one more."""
        lines = [_LINE * (1 + name.count("\n")) * bool(name) for name in self.names]
        steps = [
            max(of_name, height) + _GAP
            for of_name, (height, _) in zip(lines, self.tiles, strict=True)
        ]
        return [_LINE + 5 + int(step) for step in np.cumsum([0, *steps])]
