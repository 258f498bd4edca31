"""An event's gram matrix with the origin of its rows, as it lies on disk."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Matrix", "MatrixError", "OfRole", "Patches", "read_matrix"]

_OF_ROWS = ("rank", "index", "view", "sample", "sample_id", "label")

_MOST_BYTES = 1 << 32
"""Those of four features of 16,384 rows; a small file may say that it unpacks to more."""


class MatrixError(Exception):
    """There is no matrix to be had; the message says why."""


@dataclass(frozen=True)
class OfRole:
    """What a further feature of the same rows looks like."""

    gram: npt.NDArray[np.float32]
    """``[N, N]``, values within −1…1."""
    spectrum: npt.NDArray[np.float32] | None = None
    """As `Matrix.spectrum`."""


@dataclass(frozen=True)
class Patches:
    """One sample's image and how alike its patches are to one of them."""

    grid: tuple[int, ...]
    """Patches along each edge of the image, two or three; the last axis is the fastest."""
    patch: int
    """The patch that all are compared with."""
    similarity: npt.NDArray[np.float32]
    """``[T]``, cosine similarity of every patch with it."""
    image: npt.NDArray[np.float16] | None = None
    """``[h, w]`` or ``[d, h, w]``, the image from which they were made, where it is known."""

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """As they are called on disk."""
        arrays = {"grid": np.array(self.grid, np.int32), "patch": np.array(self.patch, np.int32)}
        image = {} if self.image is None else {"image": self.image}
        return {**arrays, "similarity": self.similarity, **image}


@dataclass(frozen=True)
class Matrix:
    """What an event's ``.npz`` file holds."""

    gram: npt.NDArray[np.float32]
    """``[N, N]``, values within −1…1; of the first role where there are several."""
    rank: npt.NDArray[np.int32] | None = None
    """``[N]``, the rank each row came from."""
    index: npt.NDArray[np.int32] | None = None
    """``[N]``, its position in that rank's batch."""
    spectrum: npt.NDArray[np.float32] | None = None
    """``[min(N, D)]``, singular values of the centred features, in descending order."""
    view: npt.NDArray[np.int32] | None = None
    """``[N]``, which view of its sample a row is, where views are known."""
    sample: npt.NDArray[np.int32] | None = None
    """``[N]``, from 0: the same for rows of one sample, where views or ids are known."""
    sample_id: npt.NDArray[Any] | None = None
    """``[N]`` int64 or text, where a batch has them."""
    label: npt.NDArray[Any] | None = None
    """``[N]`` int64 or text, where a batch has them."""
    role: str | None = None
    """What `gram` is of, where several features were watched in one event."""
    others: dict[str, OfRole] = field(default_factory=dict)
    """By role, the other features of the same rows."""
    patches: Patches | None = None
    """Where rows are patches of one sample; `index` then says which of them."""

    @property
    def boundaries(self) -> tuple[int, ...]:
        """Indices of the first row of each further rank."""
        if self.rank is None:
            return ()
        return tuple(int(i) + 1 for i in np.flatnonzero(self.rank[1:] != self.rank[:-1]))

    def npz(self) -> bytes:
        """The file's bytes: each attribute, ``roles``, and ``gram_<role>`` of the others."""
        arrays: dict[str, Any] = {"gram": self.gram, "spectrum": self.spectrum}
        arrays.update({name: getattr(self, name) for name in _OF_ROWS})
        if self.patches is not None:
            arrays.update(self.patches.arrays())
        if self.role is not None:
            arrays["roles"] = np.array([self.role, *self.others])
        for role, other in self.others.items():
            arrays.update({f"gram_{role}": other.gram, f"spectrum_{role}": other.spectrum})
        buffer = io.BytesIO()
        np.savez(buffer, **{name: array for name, array in arrays.items() if array is not None})
        return buffer.getvalue()


def read_matrix(file: Path | bytes) -> Matrix:
    """The matrix of one event, from its ``.npz`` file or that file's bytes.

    Raises:
        MatrixError: If the file is not there or holds no such matrix.
    """
    try:
        # `np.load` would leave open a file that it cannot read.
        with (
            io.BytesIO(file) if isinstance(file, bytes) else file.open("rb") as opened,
            np.load(opened, allow_pickle=False) as data,
        ):
            if sum(member.file_size for member in data.zip.infolist()) > _MOST_BYTES:
                raise MatrixError("picture data of too many bytes")
            found = {name: np.asarray(data[name]) for name in data.files}
        gram = _gram(found, "gram")
        roles = [str(role) for role in found.get("roles", [])]
        others = {
            role: OfRole(_gram(found, f"gram_{role}"), _spectrum(found, f"spectrum_{role}"))
            for role in roles[1:]
        }
    except FileNotFoundError:
        raise MatrixError("picture data not found") from None
    except MatrixError:
        raise
    except Exception as error:  # whatever a damaged file leads to
        raise MatrixError("unreadable picture data") from error
    of_rows = {k: found[k] for k in _OF_ROWS if k in found and found[k].shape == (len(gram),)}
    return Matrix(
        gram,
        **of_rows,
        spectrum=_spectrum(found, "spectrum"),
        role=roles[0] if roles else None,
        others=others,
        patches=_patches(found),
    )


def _patches(found: dict[str, npt.NDArray[Any]]) -> Patches | None:
    """What is there of one image, if it is whole."""
    try:
        grid, patch = tuple(map(int, found["grid"].flat)), int(found["patch"])
        with np.errstate(over="ignore"):
            similarity = np.asarray(found["similarity"], np.float32)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    fits = len(grid) in (2, 3) and min(grid) > 0 and similarity.shape == (math.prod(grid),)
    if not fits or not 0 <= patch < len(similarity) or not np.isfinite(similarity).all():
        return None
    return Patches(grid, patch, similarity, _image(found.get("image"), len(grid)))


def _image(image: npt.NDArray[Any] | None, axes: int) -> npt.NDArray[np.float16] | None:
    if image is None or image.dtype.kind not in "fiub" or image.ndim != axes or not image.size:
        return None
    with np.errstate(over="ignore"):
        image = image.astype(np.float16, copy=False)
    return image if np.isfinite(image).all() else None


def _gram(found: dict[str, npt.NDArray[Any]], name: str) -> npt.NDArray[np.float32]:
    gram = np.asarray(found[name], dtype=np.float32)
    if gram.ndim != 2 or not len(gram) or len(gram) != gram.shape[1]:
        raise MatrixError("unreadable picture data")
    if not np.isfinite(gram).all():
        raise MatrixError("picture data with NaN or Inf")
    return gram


def _spectrum(found: dict[str, npt.NDArray[Any]], name: str) -> npt.NDArray[np.float32] | None:
    spectrum = found.get(name)
    return spectrum if spectrum is None or spectrum.ndim == 1 else None
