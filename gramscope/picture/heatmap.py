"""The place of a matrix' pixels, with names along its axes."""

from __future__ import annotations

from matplotlib.artist import Artist
from matplotlib.axes import Axes

from gramscope.picture.layout import Extent
from gramscope.picture.rows import Rows

__all__ = ["Heatmap"]

_TITLE_PAD = 5.0  # points


class Heatmap:
    """Whoever draws it sets names, and puts pixels into the place.

    Args:
        axes: Empty ones.
        extent: Pixels of the matrix, and of strips above it.
        title: Text above it.
        left: Whether rows are named at the left.
        below: Whether they are named below.
    """

    def __init__(self, axes: Axes, extent: Extent, title: str, left: bool, below: bool) -> None:
        self._axes = axes
        self._named = [axes.xaxis] * below + [axes.yaxis] * left
        axes.xaxis.set_visible(below)
        axes.yaxis.set_visible(left)
        pad = _TITLE_PAD + extent.strip * 72 / axes.figure.dpi
        axes.set_title(title, fontsize=10, pad=pad, parse_math=False)
        axes.set(xlim=(0, extent.side), ylim=(extent.side, 0))
        axes.spines[:].set_visible(False)

    @property
    def axes_of_names(self) -> list[Artist]:
        """What changes with the names of rows alone."""
        return list(self._named)

    def name(self, rows: Rows) -> None:
        """Put names of these rows in place of what was there."""
        places, names = rows.cells.middles([t.at for t in rows.ticks]), [t.name for t in rows.ticks]
        self._axes.tick_params(labelsize=rows.font_size)
        self._axes.tick_params(axis="y", labelrotation=90 if rows.upright else 0)
        for axis in self._named:
            axis.set_ticks(places, names, parse_math=False)
            axis.set_label_text(rows.what)
        # Small names are those that leave little room beside them.
        self._axes.xaxis.labelpad = 2.0
        self._axes.yaxis.labelpad = 4.0 if rows.upright or rows.font_size > 8 else 1.0
        for text in self._axes.get_yticklabels():
            text.set(verticalalignment="center" if rows.upright else "center_baseline")
