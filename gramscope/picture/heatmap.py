"""A matrix as colours, with names along its axes and borders between its rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from gramscope.picture.rows import Rows

__all__ = ["Heatmap"]

_STRONG, _FAINT = 1.0, 0.5
_DASHES = (0, (4, 4))


class Heatmap:
    """Viridis from −1 to 1 at first; whoever draws it sets other data, names and limits.

    Args:
        axes: Empty ones.
        n: Rows.
        title: Text above it.
        left: Whether rows are named at the left.
        below: Whether they are named below.
    """

    def __init__(self, axes: Axes, n: int, title: str, left: bool, below: bool) -> None:
        self._axes = axes
        self._named = [axes.xaxis] * below + [axes.yaxis] * left
        axes.xaxis.set_visible(below)
        axes.yaxis.set_visible(left)
        axes.set_title(title, fontsize=10, parse_math=False)
        self.image = axes.imshow(
            np.zeros((n, n), np.float32),
            cmap="viridis",
            vmin=-1.0,
            vmax=1.0,
            aspect="auto",
            interpolation="nearest",
        )
        self._inner, self._borders = _two_tone(axes, _FAINT), _two_tone(axes, _STRONG)

    @property
    def axes_of_names(self) -> list[Artist]:
        """What changes with the names of rows alone."""
        return list(self._named)

    @property
    def changing(self) -> list[Artist]:
        """What changes from picture to picture, and what lies above it."""
        return [self.image, *self._inner, *self._borders, *self._axes.spines.values()]

    def name(self, rows: Rows) -> None:
        """Put names and borders of these rows in place of what was there."""
        places, names = [t.at for t in rows.ticks], [t.name for t in rows.ticks]
        self._axes.tick_params(labelsize=rows.font_size)
        self._axes.tick_params(axis="y", labelrotation=90 if rows.upright else 0)
        for axis in self._named:
            axis.set_ticks(places, names, parse_math=False)
            axis.set_label_text(rows.what)
        # Small names are those that leave little room beside them.
        self._axes.yaxis.labelpad = 4.0 if rows.upright or rows.font_size > 8 else 1.0
        for text in self._axes.get_yticklabels():
            text.set(verticalalignment="center" if rows.upright else "center_baseline")
        for lines, borders in ((self._inner, rows.inner), (self._borders, rows.borders)):
            for collection in lines:
                collection.set_segments(_across(borders, rows.count))


def _two_tone(axes: Axes, alpha: float) -> list[LineCollection]:
    """Black dashes on white: one of both is seen on any colour."""
    lines = [
        LineCollection([], colors=colour, linewidths=0.72, linestyles=style, alpha=alpha)
        for colour, style in (("white", "solid"), ("black", _DASHES))
    ]
    for collection in lines:
        axes.add_collection(collection, autolim=False)
    return lines


def _across(borders: Sequence[int], n: int) -> list[list[tuple[float, float]]]:
    ends = (-0.5, n - 0.5)
    across = [[(end, at - 0.5) for end in ends] for at in borders]
    return across + [[(at - 0.5, end) for end in ends] for at in borders]
