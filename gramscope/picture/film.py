"""A film: several events beside each other in one picture, with the same colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gramscope.events.matrix import Matrix
from gramscope.picture.canvas import bar, encoded, figure_of, set_title
from gramscope.picture.frames import Frames, frames_of
from gramscope.picture.layout import Box, share
from gramscope.picture.look import MOST_FRAMES, Course, Look
from gramscope.picture.names import plain

__all__ = ["film"]

_LEFT, _TOP, _RIGHT, _BOTTOM = 20, 34, 116, 20
_BAR_FROM, _BAR_WIDTH, _LOWEST_BAR = 16, 22, 130
_CURVE_FROM, _CURVE_LEFT, _CURVE_HIGH = 22, 64, 90
_LONGEST_TITLE, _LONGEST_NAME = 200, 40


def film(
    matrices: Sequence[Matrix],
    steps: Sequence[int],
    title: str,
    look: Look,
    course: Course | None = None,
) -> bytes:
    """Draw events of one kind beside each other.

    Where they are of patches, planes of the image are shown, and what is alike over them; else the
    matrices, by role, with rows in the order of the last one.

    Args:
        matrices: Of one to `MOST_FRAMES` events.
        steps: Those of the events.
        title: Text above the picture.
        look: Order and colours.
        course: Shown as a curve below.

    Returns:
        A PNG file's bytes.

    Raises:
        ValueError: If there are no frames or too many, or they are not of one kind.
    """
    numbers = len(matrices) if course is None else len(course.values)
    if not 1 <= len(matrices) <= MOST_FRAMES or not len(matrices) == len(steps) == numbers:
        raise ValueError(
            f"a film has 1 to {MOST_FRAMES} frames, each of them its step, not {len(matrices)} of "
            f"{len(steps)} steps and {numbers} numbers"
        )
    if course is not None and not np.isfinite(course.values).any():  # of a first event alone
        course = None
    frames = frames_of(matrices, [f"step {step}" for step in steps], look)
    return _Film(frames, course).png(plain(title, _LONGEST_TITLE))


class _Film:
    """The picture of such frames."""

    def __init__(self, frames: Frames, course: Course | None) -> None:
        self._frames, self._course = frames, course
        self._left = _LEFT if course is None else _CURVE_LEFT
        self._wide, high = frames.sheet.size
        self._under = _TOP + max(high, frames.sheet.first[1] + _LOWEST_BAR)
        below = 0 if course is None else _CURVE_FROM + _CURVE_HIGH
        self._size = (self._left + self._wide + _RIGHT, self._under + below + _BOTTOM)

    def png(self, title: str) -> bytes:
        figure = figure_of(*self._size)
        canvas = FigureCanvasAgg(figure)
        self._write(figure, title)
        if self._course is not None:
            self._plot(figure, self._course)
        canvas.draw()
        pixels = np.array(canvas.buffer_rgba()).view(np.uint32)[..., 0]
        self._frames.sheet.put(pixels, self._left, _TOP, self._frames.rows)
        return encoded(pixels)

    def _write(self, figure: Figure, title: str) -> None:
        (width, height), sheet = self._size, self._frames.sheet
        sheet.write(figure, self._left, _TOP)
        text = figure.text(0.5, 1 - 22 / height, "", ha="center", parse_math=False)
        set_title(text, title, width - 2 * _LEFT)
        left, top = self._left + self._wide + _BAR_FROM, _TOP + sheet.first[1]
        box = (left, height - self._under, _BAR_WIDTH, self._under - top)
        bar(figure, box, ScalarMappable(Normalize(*self._frames.span), "viridis"))

    def _plot(self, figure: Figure, course: Course) -> None:
        """A point below the middle of each frame."""
        start = self._frames.sheet.first[0]
        box: Box = (self._left + start, _BOTTOM, self._wide - start, _CURVE_HIGH)
        axes = figure.add_axes(share(self._size, box))
        middles = self._frames.sheet.middles[-len(course.values) :]
        axes.plot(middles, course.values, color="tab:blue", lw=1.2, marker=".", ms=6)
        axes.set_xlim(start, self._wide)
        axes.set_xticks([])
        axes.set_title(plain(course.name, _LONGEST_NAME), fontsize=9, pad=3, parse_math=False)
        axes.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
