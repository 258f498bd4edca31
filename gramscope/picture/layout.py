"""Where the parts of a picture stand, in pixels from its lower left corner."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["STRIP", "Box", "Extent", "Layout", "layout", "share"]

Box = tuple[int, int, int, int]
"""Left, bottom, width, height."""

STRIP = 6
"""Width and distance of the strips above a heatmap and at its right."""

_LEFT, _BOTTOM, _ABOVE, _RIGHT = 67, 42, 42, 117
_BAR_FROM, _BAR_WIDTH = 16, 22
_BETWEEN = 18
_RIGHT_OF_PLANES = 24
_ROLE_TITLE = 24
_TITLE_PAD = 7
_PANEL_WIDTH, _HIGHEST_PANEL = 480, 540
_PANEL_MARGINS = (84, 51, 22, 46)  # left, below, right, above


@dataclass(frozen=True)
class Extent:
    """Of one heatmap, in pixels."""

    side: int
    strip: int
    """What strips beside it take, above and at the right."""
    room: int
    """What a picture has for both; what is left over lies around all heatmaps."""


@dataclass(frozen=True)
class Layout:
    """Of one heatmap for each role, a colour bar, planes of an image and panels at the right."""

    size: tuple[int, int]
    maps: tuple[Box, ...]
    """By role, from the upper left, two in a row."""
    bar: Box
    title: tuple[float, float]
    """Middle and foot of the last line."""
    planes: int
    """Where they begin, from the left."""
    panels: tuple[Box, ...]
    """From top to bottom."""


def share(size: tuple[int, int], box: Box) -> tuple[float, float, float, float]:
    """A box in fractions of a picture of that width and height."""
    (width, height), (left, bottom, w, h) = size, box
    return left / width, bottom / height, w / width, h / height


def layout(extent: Extent, roles: int, panels: int, planes: int = 0) -> Layout:
    """Place so many heatmaps and panels, and planes that are so wide together.

    One heatmap in a room of 456 pixels makes a picture of 640 x 540 pixels.
    """
    columns, rows = min(roles, 2), -(-roles // 2)
    heading = _ROLE_TITLE if roles > 1 else 0
    side, pitch = extent.side, extent.side + extent.strip
    left_over = extent.room - pitch
    left, bottom = _LEFT + columns * left_over // 2, _BOTTOM + rows * left_over // 2
    across, down = pitch + _BETWEEN, pitch + heading
    wide, high = columns * across - _BETWEEN, rows * down - heading
    of_planes = _LEFT + wide + columns * left_over + _RIGHT
    right = of_planes + planes + _RIGHT_OF_PLANES * bool(planes)
    height = _BOTTOM + rows * (down + left_over) + _ABOVE
    each = min(height // max(panels, 1), _HIGHEST_PANEL)
    return Layout(
        size=(right + (_PANEL_WIDTH if panels else 0), height),
        maps=tuple(
            (left + column * across, bottom + (rows - 1 - row) * down, side, side)
            for row, column in (divmod(role, 2) for role in range(roles))
        ),
        bar=(left + wide + _BAR_FROM, bottom, _BAR_WIDTH, high - extent.strip),
        title=(left + wide / 2, bottom + high + heading + _TITLE_PAD),
        planes=of_planes,
        panels=tuple(_panel(right, height - (i + 1) * each, each) for i in range(panels)),
    )


def _panel(from_left: int, from_below: int, height: int) -> Box:
    left, below, right, above = _PANEL_MARGINS
    width = _PANEL_WIDTH - left - right
    return from_left + left, from_below + below, width, height - below - above
