"""Which rows of which ranks make up an event: deterministic, balanced, decided without talking."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gramscope.config.views import Layout, Views
from gramscope.monitor.buffers import BufferPool
from gramscope.monitor.pooling import Features

__all__ = ["RowSampler", "Selection", "copy_rows", "member_ranks", "quota", "share"]


def member_ranks(world_size: int, max_samples: int) -> list[int]:
    """Ranks that contribute to ``max_samples`` rows: all, or as many evenly spaced ones.

    Rank 0 is always among them, because it makes the picture.
    """
    members = min(world_size, max_samples)
    return [i * world_size // members for i in range(members)]


def quota(member: int, members: int, max_samples: int) -> int:
    """Rows that one member contributes so that all members together give ``max_samples``."""
    return (member + 1) * max_samples // members - member * max_samples // members


def share(member: int, members: int, samples: int) -> range:
    """What one member contributes of samples that all know: in order, the first member's first."""
    first, last = (-(-at * samples // members) for at in (member, member + 1))
    return range(first, last)


class Selection(NamedTuple):
    """The rows that are taken of one micro-batch: whole samples, each with the same views.

    Pick ``i`` of all picks of the step is the sample at ``i * length // picks`` of the step.
    """

    first: int
    """Of the picks that lie in this micro-batch."""
    last: int
    """The pick behind them."""
    length: int
    """Samples of the step, as foreseen."""
    picks: int
    """Samples taken of the step."""
    seen: int
    """Samples of the step's earlier micro-batches."""
    samples: int
    """Samples of this one."""
    rows_before: int
    """Rows of the earlier ones."""
    views: int = 1
    """Views that are taken of each sample; 1 where none are declared."""
    layout: str = Layout.stacked.value
    """How the rows taken are ordered."""

    @property
    def whole(self) -> bool:
        """Whether every sample is taken."""
        return self.last - self.first == self.samples

    def sample(self, device: torch.device | str = "cpu") -> Tensor:
        """``[k]`` int64, positions of the samples in the micro-batch.

        Made on the device: an index from the host would make the host wait.
        """
        picks = torch.arange(self.first, self.last, device=device)
        return picks * self.length // self.picks - self.seen

    def rows(self, declared: Views | None, device: torch.device | str = "cpu") -> Tensor:
        """``[k * views]`` int64, positions of their rows in features with these views."""
        sample = self.sample(device)
        if declared is None:
            return sample
        view = torch.arange(self.views, device=device)[:, None]
        stacked = declared.layout == Layout.stacked.value
        rows = view * self.samples + sample if stacked else sample * declared.count + view
        return self.ordered(rows)

    def ordered(self, by_view: Tensor) -> Tensor:
        """``[views, k]`` in the order of the rows that are taken."""
        return (by_view if self.layout == Layout.stacked.value else by_view.T).flatten()

    def takes_all_of(self, declared: Views | None) -> bool:
        """Whether the rows are all there are, in their own order."""
        if declared is None:
            return self.whole
        return self.whole and (declared.count, declared.layout) == (self.views, self.layout)


class RowSampler:
    """Chooses evenly spaced samples from the micro-batches of one optimizer step.

    The micro-batches count as one long batch. Its length is foreseen from the first of them,
    so that each is thinned on arrival and none has to be kept.

    Args:
        limit: How many samples to take, by the number of views that are taken of each.
        micro_batches: How many micro-batches the step is expected to have.
    """

    def __init__(self, limit: Callable[[int], int], micro_batches: int = 1) -> None:
        self._limit = limit
        self._micro_batches = micro_batches
        self._length = 0
        self._picks = 0
        self._seen = 0
        self._rows = 0

    def choose(
        self, rows: int, *, samples: int, views: int = 1, layout: str = Layout.stacked.value
    ) -> Selection:
        """The share of the next micro-batch, of ``samples`` samples in ``rows`` rows."""
        if not self._length:
            self._length = samples * self._micro_batches
            self._picks = min(self._limit(views), self._length)
        first, last = self._pick_from(self._seen), self._pick_from(self._seen + samples)
        place = (self._length, self._picks, self._seen, samples, self._rows)
        self._seen += samples
        self._rows += rows
        return Selection(first, last, *place, views, layout)

    def rewind(self, mark: tuple[int, int]) -> None:
        """Forget what was chosen since ``mark`` was taken."""
        self._seen, self._rows = mark
        if not self._seen:
            self._length = 0

    @property
    def mark(self) -> tuple[int, int]:
        """The present state, for `rewind`."""
        return self._seen, self._rows

    def _pick_from(self, position: int) -> int:
        """The first pick that lies at ``position`` or behind it."""
        if not self._length:
            return 0
        return min(self._picks, -(-position * self._picks // self._length))


def copy_rows(
    features: Features, chosen: Selection, declared: Views | None, pool: BufferPool
) -> Tensor:
    """The chosen rows ``[k * views, D]`` on the features' own device, without waiting for it."""
    source = features.source.detach()
    whole = chosen.takes_all_of(declared)
    index = None if whole else chosen.rows(declared, source.device)
    if features.over:  # the mean is a copy
        return features.of(source if index is None else source.index_select(0, index))
    on_host = source.device.type == "cpu" and type(source) is Tensor
    count = (chosen.last - chosen.first) * chosen.views
    target = pool.take(count, source) if on_host else None
    if index is None:
        return source.clone() if target is None else target.copy_(source)
    if target is None:
        return source.index_select(0, index)
    return torch.index_select(source, 0, index, out=target)
