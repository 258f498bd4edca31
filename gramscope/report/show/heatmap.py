"""A gram matrix as text: two rows to a line in colours, or a character for each similarity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.style import Style
from rich.text import Text

from gramscope.picture.colours import averaged, classes, viridis

__all__ = ["heatmap", "legend", "width_of"]

Floats = npt.NDArray[np.float32]

_CHARACTERS = " .:-=+*#%@"
_LEGEND = 10


def width_of(console: Console, cells: int) -> int:
    """Columns that a heatmap of so many cells takes."""
    return cells if _coloured(console) else 2 * cells


def heatmap(console: Console, gram: Floats, cells: int) -> Text:
    """A matrix, its colours fixed to −1…1.

    Args:
        console: Where it is printed. Without colours, it is characters, two for each cell.
        gram: ``[N, N]``.
        cells: On a side, at most; where there are more rows, neighbours share one: their mean.
    """
    starts = np.unique(np.linspace(0, len(gram), min(cells, len(gram)), endpoint=False).astype(int))
    shown = averaged(gram, starts)
    return _blocks(shown) if _coloured(console) else _characters(shown)


def legend(console: Console) -> Text:
    """What the colours mean."""
    scale = np.linspace(-1, 1, _LEGEND, dtype=np.float32)[None]
    coloured = _coloured(console)
    shown = _blocks(np.concatenate([scale, scale])) if coloured else Text(_CHARACTERS)
    return Text.assemble("similarity -1 ", shown, " 1")


def _coloured(console: Console) -> bool:
    enough = console.color_system in ("256", "truecolor")
    return enough and not console.no_color and not console.options.ascii_only


def _blocks(values: Floats) -> Text:
    colours = viridis()[classes(values), :3].tolist()
    lines = [_line(*colours[row : row + 2]) for row in range(0, len(colours), 2)]
    return Text("\n", no_wrap=True).join(lines)


def _line(upper: list[list[int]], lower: list[list[int]] | None = None) -> Text:
    line = Text()
    for i, colour in enumerate(upper):
        below = _rgb(lower[i]) if lower else None
        line.append("▀", Style(color=_rgb(colour), bgcolor=below))
    return line


def _rgb(colour: list[int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _characters(values: Floats) -> Text:
    level = ((values + 1) * (len(_CHARACTERS) / 2)).clip(0, len(_CHARACTERS) - 1).astype(int)
    lines = ["".join(_CHARACTERS[i] * 2 for i in row) for row in level.tolist()]
    return Text("\n".join(lines), no_wrap=True)
