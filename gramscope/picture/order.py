"""In which order the rows of a matrix are shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gramscope.picture.look import Order

__all__ = ["row_order"]

_MOST_ORDERED = 512
"""Beyond, turning leaves takes seconds."""


def row_order(
    order: str,
    gram: npt.NDArray[np.float32],
    label: npt.NDArray[Any] | None = None,
    turned: int = _MOST_ORDERED,
) -> npt.NDArray[np.intp]:
    """Which row to show first, second, and so on.

    Args:
        order: A value of `Order`.
        gram: ``[N, N]``, cosine similarities.
        label: ``[N]``, numbers or text; without labels, `Order.label` leaves rows as they are.
        turned: Up to how many rows the leaves of clusters are turned to stand beside their likes,
            which takes most of the time.

    Returns:
        ``[N]``, a permutation of the rows' positions.

    Raises:
        ValueError: If there is no such order.
    """
    if Order(order) is Order.cluster:
        return _clustered(gram, turned)
    if Order(order) is Order.label and label is not None:
        return np.lexsort((label, _is_missing(label)))  # stable, so ranks stay in order
    return np.arange(len(gram))


def _is_missing(label: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """``[N]``, which rows have no label: empty text, NaN, or by custom a negative number."""
    if label.dtype.kind in "US":
        return np.asarray(np.char.str_len(label) == 0)
    return ~np.asarray(label >= 0)


def _clustered(gram: npt.NDArray[np.float32], turned: int) -> npt.NDArray[np.intp]:
    """Leaves of the average linkage of the rows' cosine distances."""
    if len(gram) < 2:
        return np.arange(len(gram))
    from scipy.cluster.hierarchy import leaves_list, linkage  # half a second, for those who ask

    above = np.triu_indices(len(gram), 1)
    distances = np.maximum(1.0 - gram[above].astype(np.float64), 0.0)
    tree = linkage(distances, "average", optimal_ordering=len(gram) <= turned)
    leaves: npt.NDArray[np.intp] = leaves_list(tree).astype(np.intp)
    # A tree reads the same from both ends; one of them, so that pictures do not flip over steps.
    return leaves if leaves[0] < leaves[-1] else leaves[::-1]
