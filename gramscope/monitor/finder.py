"""Views that nobody declared: the order of a batch's rows may show some, which are then proposed.

Proposed, not assumed: rows of one class, or of one patient, can stand like views.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from gramscope import metrics
from gramscope.config.views import Layout, Views
from gramscope.metrics.rows import centred
from gramscope.metrics.spectrum import ONE_POINT

__all__ = ["ViewFinder", "advice", "look"]

COUNTS = range(2, 9)
"""How many views a sample may have, to be found."""
FEWEST_SAMPLES = 8
MOST_ROWS = 96
FIRST_RUN, LAST_RUN = 24, 16
"""Rows that are looked at from the first on, and up to the last: blocks of interleaved views."""
EVENTS = 20
AGREEING = 3
"""In how many events running views must be seen, so that chance has no twenty tries."""

AUC, AUC_OF_TWO_VIEWS = 0.95, 0.85
"""How often views of a sample must be more alike than other rows: all, and those of any two."""
NEAR = 0.25
"""How far on the way from other rows to views lookalikes may be; in sorted rows they are beyond."""


class ViewFinder:
    """Watches the first few events for views of one sample that stand in a regular order."""

    def __init__(self) -> None:
        self._events = 0
        self._seen: tuple[Views | None, int] = None, 0
        self._proposed = False

    @property
    def done(self) -> bool:
        """Whether no more rows need to be shown: views were proposed, or none were to be seen."""
        return self._proposed or self._events >= EVENTS

    def update(self, rows: Tensor, positions: Tensor, n: int) -> Views | None:
        """Take in an event.

        Args:
            rows: ``[k, D]`` float32: rows of one rank's micro-batch.
            positions: ``[k]`` int64: where in it they stand, see `look`.
            n: How many rows it has.

        Returns:
            The views, once, when they have been seen in three events running.
        """
        if self.done:
            return None
        self._events += 1
        pairs = _Pairs(rows, positions)
        seen = [views for views in _possible(n) if _are_seen(views, pairs, n)]
        most = max(seen, key=lambda views: views.count, default=None)
        last, times = self._seen
        self._seen = most, times + 1 if most == last else 1
        self._proposed = most is not None and self._seen[1] >= AGREEING
        return most if self._proposed else None


def look(n: int) -> list[int]:
    """Positions of the rows of a micro-batch that tell whether, and which, views stand in it.

    Args:
        n: How many rows it has.

    Returns:
        In ascending order, at most about 96 of them; none where no number of views divides the
        rows into eight samples or more.
    """
    counts = [count for count in COUNTS if _divides(count, n)]
    if not counts or n <= MOST_ROWS:
        return list(range(n)) if counts else []
    starts = {view * n // count for count in counts for view in range(count)}
    # Of more views than are looked for, those whose distance no other two starts have.
    starts |= {n // count for count in (9, 16) if n % count == 0}
    sizes = range(MOST_ROWS, 2, -1)
    fitting = (m for m in sizes if len(_taken(starts, m, n)) <= MOST_ROWS)
    return sorted(_taken(starts, next(fitting, sizes[-1]), n))


def advice(views: Views, feature_key: str) -> str:
    """What was seen, and what to write if it is true."""
    if views.layout == Layout.stacked:
        where, value = f"i and i + n/{views.count} of n", f"{views.count}"
    else:
        where = f"{views.count} after {views.count}"
        value = f"{{count: {views.count}, layout: {views.layout}}}"
    return (
        f"Rows of `{feature_key}` look like {views.count} {views.layout} views of each sample "
        f"(rows {where} are alike, and no others). If they are, say so with `views={value}`, and "
        f"the numbers that compare views are there."
    )


def _divides(count: int, n: int) -> bool:
    return n % count == 0 and n // count >= FEWEST_SAMPLES


def _possible(n: int) -> list[Views]:
    counts = [count for count in COUNTS if _divides(count, n)]
    return [Views(count, layout.value) for count in counts for layout in Layout]


def _taken(starts: set[int], each: int, n: int) -> set[int]:
    """So many rows from each start on, and a run of the first and of the last ones."""
    runs = {*range(FIRST_RUN), *range(n - LAST_RUN, n)}
    return runs | {start + i for start in starts for i in range(each) if start + i < n}


class _Pairs:
    """All pairs of the rows that are looked at."""

    def __init__(self, rows: Tensor, positions: Tensor) -> None:
        order = positions.argsort()
        order = order[metrics.finite_rows(rows)[order]]
        i, j = torch.triu_indices(len(order), len(order), offset=1)
        self.positions = positions[order][torch.stack([i, j])]
        """``[2, pairs]``: the first row stands before the second."""
        self.similarity = _similarity(rows[order])[i, j]
        """``[pairs]``."""


def _similarity(rows: Tensor) -> Tensor:
    """``[k, k]``: cosine of the rows about their mean, without its last digits; 0 in one point."""
    around = centred(rows)
    if around.square().sum() <= ONE_POINT * rows.double().square().sum():
        around = torch.zeros_like(around)
    return metrics.gram_matrix(around).round(decimals=6)


def _are_seen(views: Views, pairs: _Pairs, n: int) -> bool:
    """Whether views of a sample are more alike than rows that would be none."""
    sample, view = _identity(views, pairs.positions, n)
    same = sample[0] == sample[1]
    alike, other = pairs.similarity[same], pairs.similarity[~same]
    if not _of_every_two_views(_wins(alike, other), view[:, same], views.count):
        return False
    way = alike.mean() - other.mean()
    return all(
        (pairs.similarity[lookalikes].mean() - other.mean()) <= NEAR * way
        for lookalikes in _lookalikes(views, pairs.positions, sample, n)
    )


def _identity(views: Views, positions: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Sample and view of rows."""
    if views.layout == Layout.stacked:
        samples = n // views.count
        return positions % samples, positions // samples
    return positions // views.count, positions % views.count


def _wins(alike: Tensor, other: Tensor) -> Tensor:
    """Which share of other pairs each pair beats; its mean is the area under the ROC curve."""
    other = other.sort().values
    below = torch.searchsorted(other, alike) + torch.searchsorted(other, alike, right=True)
    return below.double() / (2 * len(other))


def _of_every_two_views(wins: Tensor, view: Tensor, count: int) -> bool:
    which = view[0] * count + view[1]
    seen = which.bincount()
    seen_often = seen[seen >= 3]
    if len(seen_often) < count * (count - 1) // 2:
        return False
    each = which.bincount(wins)[seen >= 3] / seen_often
    return bool(wins.mean() >= AUC and each.min() >= AUC_OF_TWO_VIEWS)


def _lookalikes(views: Views, positions: Tensor, sample: Tensor, n: int) -> Iterator[Tensor]:
    """Pairs of different samples that are as alike where the rows are no views, but in some order.

    Sorted rows, slices of a volume or a series in time: the next block's first row is as alike as
    one of the same block. Of several volumes, the neighbours of the partner. More views than are
    supposed: a part of the distance.
    """
    apart = positions[1] - positions[0]
    neighbours = (sample[1] - sample[0]).abs() == 1
    if views.layout == Layout.interleaved:
        yield neighbours & (apart == 1)
        return
    yield neighbours & (apart > 1)
    for factor in (2, 3, 5, 7):
        part = apart * views.count * factor == n
        if part.any():
            yield part
