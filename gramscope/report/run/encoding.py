"""A matrix and what its rows are, as a page carries them: gzip of a JSON header and of bytes."""

from __future__ import annotations

import base64
import gzip
import json
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from gramscope.events import Matrix
from gramscope.events.matrix import Patches
from gramscope.picture.order import row_order
from gramscope.report.files import plain
from gramscope.report.run.choice import rows
from gramscope.report.run.slices import Slices, grey, slices

__all__ = ["image", "packed", "picture"]

_LONGEST = 80
_MOST_VALUES = 256
_TURNED = 64  # rows: a page may have a thousand matrices


def packed(content: Any) -> str:
    """Any JSON, as base64 of gzip."""
    return _base64(json.dumps(content, allow_nan=False, separators=(",", ":")).encode())


def picture(
    matrix: Matrix, gram: npt.NDArray[np.float32], spectrum: npt.NDArray[np.float32] | None
) -> str:
    """One feature's matrix.

    What is packed is the header's length as a little-endian 32-bit number, the header, and the
    entries above the diagonal, row by row, in 256 equal steps from ``low`` to ``high``; where rows
    are patches of an image, then in the same way the similarities in its slices.

    Args:
        matrix: Says what the rows are.
        gram: ``[N, N]``.
        spectrum: Singular values in descending order, if they were kept.
    """
    shown = rows(matrix)
    gram = gram[np.ix_(shown, shown)]
    pairs = gram[np.triu_indices(len(gram), 1)].astype(np.float64)
    low, high = (float(pairs.min()), float(pairs.max())) if len(pairs) else (0.0, 0.0)
    of_image = slices(matrix.patches) if matrix.patches else None
    header = {
        "n": len(gram),
        "low": low,
        "high": high,
        "of": len(matrix.gram),
        "rows": _rows(matrix, shown),
        "orders": _orders(matrix, shown, gram),
        "spectrum": _spectrum(spectrum),
        "slices": of_image and _slices(of_image),
    }
    cells = _in_steps(of_image.values, *of_image.ends) if of_image else b""
    return _headed(header, _in_steps(pairs, low, high) + cells)


def image(patches: Patches) -> str | None:
    """The planes of a sample's image, packed as a matrix is; ``None`` if it is not known."""
    found = grey(patches)
    return found and _headed(*found)


def _in_steps(values: npt.NDArray[np.float64], low: float, high: float) -> bytes:
    steps = (values.clip(low, high) - low) * (255 / max(high - low, 1e-9))
    return bytes(steps.round().astype(np.uint8))


def _slices(of: Slices) -> dict[str, Any]:
    low, high = of.ends
    return {"grid": of.grid, "at": of.at, "low": low, "high": high}


def _headed(header: Any, data: bytes) -> str:
    text = json.dumps(header, separators=(",", ":")).encode()
    return _base64(struct.pack("<I", len(text)) + text + data)


def _base64(data: bytes) -> str:
    # No time of day: the same runs give the same page.
    return base64.b64encode(gzip.compress(data, 6, mtime=0)).decode()


def _rows(matrix: Matrix, shown: npt.NDArray[np.intp]) -> dict[str, list[Any]]:
    of_rows = {
        "rank": matrix.rank,
        "patch" if matrix.patches else "index": matrix.index,
        "view": matrix.view,
        "id": matrix.sample_id,
        "label": matrix.label,
    }
    return {k: [*map(_said, v[shown].tolist())] for k, v in of_rows.items() if v is not None}


def _said(value: Any) -> int | str:
    if isinstance(value, int):
        return value
    text = plain(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _orders(
    matrix: Matrix, shown: npt.NDArray[np.intp], gram: npt.NDArray[np.float32]
) -> dict[str, list[int]]:
    label = None if matrix.label is None else matrix.label[shown]
    by_label = {} if label is None else {"label": row_order("label", gram, label).tolist()}
    return {**by_label, "cluster": row_order("cluster", gram, turned=_TURNED).tolist()}


def _spectrum(spectrum: npt.NDArray[np.float32] | None) -> list[float]:
    """Singular values over the largest; none where there is no variance."""
    if spectrum is None or not len(spectrum) or not np.isfinite(spectrum).all():
        return []
    largest = float(spectrum[0])
    if largest <= 0:
        return []
    return [float(f"{value / largest:.3g}") for value in spectrum[:_MOST_VALUES].tolist()]
