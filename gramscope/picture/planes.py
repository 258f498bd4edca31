"""One image's planes through the chosen patch, as pixels: the image, and what is alike, over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations

import numpy as np
import numpy.typing as npt

from gramscope.events.matrix import Patches
from gramscope.picture.colours import classes, viridis
from gramscope.picture.paint import Pixels
from gramscope.picture.plane import MARGIN, Bytes, Plane
from gramscope.picture.sheet import Sheet

__all__ = ["Planes", "planes_of"]

_THINNEST = 16  # no edge is drawn shorter than the longest one over this
_OF_IMAGE, _DARKEST = 0.35, 96  # what shines through: its share, and what black is there
_WINDOW = (1.0, 99.0)  # percent of an image's values, from black to white


@dataclass(frozen=True)
class Planes:
    """All planes of one image; the same for pictures of the same sample, patch and size."""

    grid: tuple[int, ...]
    patch: int
    edges: tuple[int, ...]
    """Pixels along each axis."""
    has_image: bool

    @cached_property
    def place(self) -> tuple[int, ...]:
        """The chosen patch along each axis."""
        return tuple(map(int, np.unravel_index(self.patch, self.grid)))

    @property
    def name(self) -> str:
        """Of the chosen patch."""
        return "·".join(map(str, self.place))

    @cached_property
    def each(self) -> tuple[Plane, ...]:
        """By the axis that they cut, from above to below."""
        axes = range(len(self.grid))
        pairs = sorted(combinations(axes, 2), reverse=True)
        return tuple(self._plane(pair, next(iter(set(axes) - set(pair)), None)) for pair in pairs)

    def sheet(self, heads: Sequence[str]) -> Sheet:
        """A row for each plane: the image, if it is known, and columns of these names."""
        bare = ("image",) * self.has_image
        tiles = ((h + 2 * MARGIN, w + 2 * MARGIN) for h, w in (p.size for p in self.each))
        return Sheet((*bare, *heads), self._names, tuple(tiles))

    def columns(
        self,
        image: npt.NDArray[np.float16] | None,
        similarities: Sequence[npt.NDArray[np.float32]],
        span: tuple[float, float],
    ) -> list[list[Pixels]]:
        """The tiles of such a sheet, by plane.

        Args:
            image: That of the patches, or ``None``.
            similarities: ``[T]`` for each column, with the chosen patch.
            span: What the colours span.
        """
        greys = None if image is None else self._greys(image)
        shown = [self._alike(similarity, span, greys) for similarity in similarities]
        if greys is not None:
            shown.insert(0, [np.repeat(grey[..., None], 3, axis=2) for grey in greys])
        return [
            [plane.tile(rgb) for rgb in row]
            for plane, row in zip(self.each, zip(*shown, strict=True), strict=True)
        ]

    @property
    def _names(self) -> tuple[str, ...]:
        """Of each plane: what it cuts, and where."""
        if len(self.grid) == 2:
            return ("",)
        return tuple(
            f"axis {i}\nat {at} of {n}"
            for i, (at, n) in enumerate(zip(self.place, self.grid, strict=True))
        )

    def _greys(self, image: npt.NDArray[np.float16]) -> list[Bytes]:
        """By plane, the image in shades of grey, the same for all of them."""
        cuts = [plane.image(image) for plane in self.each]
        low, high = _window(np.concatenate([cut.ravel() for cut in cuts]))
        return [((cut - low) * (255 / (high - low))).clip(0, 255).astype(np.uint8) for cut in cuts]

    def _alike(
        self,
        similarity: npt.NDArray[np.float32],
        span: tuple[float, float],
        greys: Sequence[Bytes] | None,
    ) -> list[Bytes]:
        """By plane, how alike patches are to the chosen one; the image shines through."""
        found = classes(similarity.reshape(self.grid), span)
        cells = [plane.cells(found) for plane in self.each]
        if greys is None:
            return [viridis()[:, :3].take(of_plane, axis=0) for of_plane in cells]
        colours, light = _shares()
        return [
            colours.take(of_plane, axis=0) + light.take(grey)[..., None]
            for of_plane, grey in zip(cells, greys, strict=True)
        ]

    def _plane(self, pair: tuple[int, ...], cut: int | None) -> Plane:
        def of(values: Sequence[int]) -> tuple[int, int]:
            return values[pair[0]], values[pair[1]]

        at = 0.0 if cut is None else (self.place[cut] + 0.5) / self.grid[cut]
        return Plane(cut, at, of(self.grid), of(self.place), of(self.edges))


def planes_of(patches: Patches, height: int, width: int) -> Planes:
    """All planes of one scale, so large that they fit above each other and into a column.

    The grid is taken to span the image; of one that is not known, patches are squares. An edge far
    shorter than the longest is drawn longer than it is.

    Args:
        patches: The image's.
        height: Pixels for all planes together.
        width: Pixels for the widest of them.
    """
    shape = patches.grid if patches.image is None else patches.image.shape
    lengths = np.maximum(shape, max(shape) / _THINNEST)
    pairs = list(combinations(lengths, 2))
    scale = min(height / sum(y for y, _ in pairs), width / max(x for _, x in pairs))
    edges = tuple(max(1, int(length * scale)) for length in lengths)
    return Planes(patches.grid, patches.patch, edges, patches.image is not None)


@cache
def _shares() -> tuple[Bytes, Bytes]:
    """What each class of similarity, and each grey, gives to the sum of both.

    A dark image would make colours ones that the colour bar has not, so it is made lighter.
    """
    light = _OF_IMAGE * np.linspace(_DARKEST, 255, 256)
    return ((1 - _OF_IMAGE) * viridis()[:, :3]).astype(np.uint8), light.astype(np.uint8)


def _window(values: npt.NDArray[np.float32]) -> tuple[float, float]:
    """What is black and what is white; single values are not to decide, if there are others."""
    low, high = np.percentile(values, _WINDOW)
    if low == high:
        low, high = values.min(), values.max()
    return (float(low), float(high)) if low < high else (low - 1.0, low + 1.0)
