"""Where the parts of a picture stand, in pixels from its lower left corner."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MAP", "Box", "Layout", "layout"]

Size = tuple[float, float]
Box = tuple[float, float, float, float]
"""Left, bottom, width, height."""

MAP: Size = (460.8, 442.8)
"""Width and height of every heatmap."""

_LEFT, _BOTTOM, _ABOVE, _RIGHT = 67.2, 51.3, 45.9, 112.0
_BAR_FROM, _BAR_WIDTH = 16.0, 22.4
_BETWEEN = 18.0
_ROLE_TITLE = 24.0
_TITLE_PAD = 6.0 * 100 / 72  # as matplotlib, which has points
_PANEL_WIDTH, _HIGHEST_PANEL = 480.0, 540.0
_PANEL_MARGINS = (84.0, 51.3, 22.0, 45.9)  # left, below, right, above


@dataclass(frozen=True)
class Layout:
    """Of a picture with one heatmap for each role, a colour bar, and panels at the right."""

    size: Size
    maps: tuple[Box, ...]
    """By role, from the upper left, two in a row."""
    bar: Box
    title: tuple[float, float]
    """Middle and foot of the last line."""
    panels: tuple[Box, ...]
    """From top to bottom."""

    def share(self, box: Box) -> Box:
        """The same box in fractions of the picture."""
        (width, height), (left, bottom, w, h) = self.size, box
        return left / width, bottom / height, w / width, h / height


def layout(roles: int, panels: int) -> Layout:
    """Place so many heatmaps and panels.

    One heatmap alone makes a picture of 640 x 540 pixels.
    """
    columns, rows = min(roles, 2), -(-roles // 2)
    heading = _ROLE_TITLE if roles > 1 else 0.0
    across, down = MAP[0] + _BETWEEN, MAP[1] + heading
    wide = columns * across - _BETWEEN
    height = _BOTTOM + rows * down + _ABOVE
    maps = tuple(
        (_LEFT + column * across, _BOTTOM + (rows - 1 - row) * down, *MAP)
        for row, column in (divmod(role, 2) for role in range(roles))
    )
    right = _LEFT + wide + _RIGHT
    each = min(height / max(panels, 1), _HIGHEST_PANEL)
    return Layout(
        size=(right + (_PANEL_WIDTH if panels else 0.0), height),
        maps=maps,
        bar=(_LEFT + wide + _BAR_FROM, _BOTTOM, _BAR_WIDTH, rows * down - heading),
        title=(_LEFT + wide / 2, height - _ABOVE + _TITLE_PAD),
        panels=tuple(_panel(right, height - (i + 1) * each, each) for i in range(panels)),
    )


def _panel(from_left: float, from_below: float, height: float) -> Box:
    left, below, right, above = _PANEL_MARGINS
    width = _PANEL_WIDTH - left - right
    return from_left + left, from_below + below, width, height - below - above
