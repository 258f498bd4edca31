"""Which events of a run of unknown length are to be seen in its film, kept small in memory."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gramscope.events.files import files_of_steps
from gramscope.events.matrix import Matrix, MatrixError, OfRole, Patches, read_matrix
from gramscope.events.thinning import spacings
from gramscope.picture.look import MOST_FRAMES

__all__ = ["Strip"]

_MOST_ROWS = 256
_LONGEST_EDGE = 160
"""Of an image; no tile of a film has more pixels along an edge than about so many."""


class Strip:
    """The first event, the latest, and others spread evenly between them.

    Where one is too many, of those between every second goes, the earliest first, then every second
    of those that are left, and so on, as `gramscope.events.thinning.Shelf` does with files. What is
    kept of an event is what a film shows: at most 256 evenly spaced rows, of patches none, and of
    the image at most 160 values along an edge; that of the first event alone, since all are of one.

    Args:
        most: Events that are kept, at least two.
    """

    def __init__(self, most: int = MOST_FRAMES) -> None:
        self._most = most
        self._frames: dict[int, bytes] = {}
        self._values: dict[int, float] = {}
        self._of: tuple[object, ...] | None = None

    def clear(self, after: int = -1) -> None:
        """Let go of all events after a step."""
        self._frames = {s: npz for s, npz in self._frames.items() if s <= after}
        self._values = {s: value for s, value in self._values.items() if s <= after}

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def steps(self) -> list[int]:
        """Of what is kept, in ascending order."""
        return sorted(self._frames)

    @property
    def npzs(self) -> list[bytes]:
        """In the same order, as `RenderClient.film` takes them."""
        return [self._frames[step] for step in self.steps]

    @property
    def values(self) -> tuple[float, ...]:
        """In the same order, what was told of each; NaN where nothing was."""
        return tuple(self._values[step] for step in self.steps)

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(map(len, self._frames.values()))

    def fill(self, directory: Path, last: int) -> None:
        """Take events that a run which goes on has on disk; what cannot be read is left out.

        Args:
            directory: Where its matrices are.
            last: The step that it goes on from.
        """
        entries = files_of_steps(directory)
        files = {step: e.path for step, e in entries if step <= last and e.name.endswith(".npz")}
        steps = sorted(files)
        for at in sorted({*_spread(len(steps), self._most).tolist(), 0, len(steps) - 1}):
            with suppress(OSError, MatrixError, IndexError):
                self.add(steps[at], Path(files[steps[at]]).read_bytes())

    def add(self, step: int, npz: bytes, value: float = math.nan) -> None:
        """Take a further event, or another one of the same step.

        Args:
            step: Its step.
            npz: Its ``Matrix.npz()``.
            value: A number of it, for the film's curve.

        Raises:
            MatrixError: If it holds no matrix; what is kept stays as it was.
        """
        matrix = read_matrix(npz)
        patches = matrix.patches
        of = None if patches is None else (patches.grid, patches.patch)
        if of is None and self._of is not None:
            return  # a patch is not finite: there is nothing to be seen
        if of != self._of:  # what was is of another patch, and nothing to be seen beside it
            self.clear()
        self._of = of
        is_first = all(step <= kept for kept in self._frames)
        self._frames[step] = _small(matrix, with_image=is_first).npz()
        self._values[step] = value
        while len(self._frames) > self._most:
            steps = self.steps
            between = spacings(np.array(steps))[1:-1]
            gone = steps[1 + int(between.argmin())]
            del self._frames[gone], self._values[gone]


def _small(matrix: Matrix, with_image: bool) -> Matrix:
    patches = matrix.patches
    rows = _spread(len(matrix.gram), _MOST_ROWS if patches is None else 1)
    return Matrix(
        _of_rows(matrix.gram, rows),
        label=None if matrix.label is None else matrix.label[rows],
        role=matrix.role,
        others={name: OfRole(_of_rows(x.gram, rows)) for name, x in matrix.others.items()},
        patches=patches and replace(patches, image=_small_image(patches) if with_image else None),
    )


def _of_rows(gram: npt.NDArray[np.float32], rows: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
    return gram[np.ix_(rows, rows)]


def _small_image(patches: Patches) -> npt.NDArray[np.float16] | None:
    """All of its edges shorter by the same factor."""
    if patches.image is None:
        return None
    shape = patches.image.shape
    share = min(1.0, _LONGEST_EDGE / max(shape))
    return patches.image[np.ix_(*(_spread(edge, max(1, round(edge * share))) for edge in shape))]


def _spread(n: int, most: int) -> npt.NDArray[np.intp]:
    """At most so many of 0…N-1, each from the middle of its share."""
    kept = min(n, most)
    return (2 * np.arange(kept) + 1) * n // (2 * kept)
