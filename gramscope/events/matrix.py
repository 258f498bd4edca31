"""An event's gram matrix with the origin of its rows, as it lies on disk."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Matrix", "MatrixError", "read_matrix"]


class MatrixError(Exception):
    """There is no matrix to be had; the message says why."""


@dataclass(frozen=True)
class Matrix:
    """What an event's ``.npz`` file holds."""

    gram: npt.NDArray[np.float32]
    """``[N, N]``, values within −1…1."""
    rank: npt.NDArray[np.int32] | None = None
    """``[N]``, the rank each row came from."""
    index: npt.NDArray[np.int32] | None = None
    """``[N]``, its position in that rank's batch."""
    spectrum: npt.NDArray[np.float32] | None = None
    """``[min(N, D)]``, singular values of the centred features, in descending order."""

    @property
    def boundaries(self) -> tuple[int, ...]:
        """Indices of the first row of each further rank."""
        if self.rank is None:
            return ()
        return tuple(int(i) + 1 for i in np.flatnonzero(self.rank[1:] != self.rank[:-1]))

    def npz(self) -> bytes:
        """The file's bytes."""
        arrays: dict[str, Any] = {k: v for k, v in vars(self).items() if v is not None}
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        return buffer.getvalue()


def read_matrix(path: Path) -> Matrix:
    """The matrix of one event.

    Raises:
        MatrixError: If the file is not there or holds no such matrix.
    """
    try:
        # `np.load` would leave open a file that it cannot read.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            found = {k: np.asarray(data[k]) for k in Matrix.__dataclass_fields__ if k in data}
        gram = np.asarray(found.pop("gram"), dtype=np.float32)
    except FileNotFoundError:
        raise MatrixError("picture data not found") from None
    except Exception as error:  # whatever a damaged file leads to
        raise MatrixError("unreadable picture data") from error
    if gram.ndim != 2 or not len(gram) or len(gram) != gram.shape[1]:
        raise MatrixError("unreadable picture data")
    if not np.isfinite(gram).all():
        raise MatrixError("picture data with NaN or Inf")
    origin = {k: found[k] for k in ("rank", "index") if found.get(k, gram).shape == (len(gram),)}
    return Matrix(gram, **origin, spectrum=found.get("spectrum"))
