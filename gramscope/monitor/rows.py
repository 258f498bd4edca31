"""Which rows of which ranks make up an event: deterministic, balanced, decided without talking."""

from __future__ import annotations

import torch
from torch import Tensor

from gramscope.monitor.buffers import BufferPool

__all__ = ["RowSampler", "member_ranks", "quota"]


def member_ranks(world_size: int, max_samples: int) -> list[int]:
    """Ranks that contribute to ``max_samples`` rows: all, or as many evenly spaced ones.

    Rank 0 is always among them, because it makes the picture.
    """
    members = min(world_size, max_samples)
    return [i * world_size // members for i in range(members)]


def quota(member: int, members: int, max_samples: int) -> int:
    """Rows that one member contributes so that all members together give ``max_samples``."""
    return (member + 1) * max_samples // members - member * max_samples // members


class RowSampler:
    """Takes up to ``limit`` evenly spaced rows from the micro-batches of one optimizer step.

    The micro-batches count as one long batch. Its length is foreseen from the first of them,
    so that each is thinned on arrival and none has to be kept.
    """

    def __init__(self, limit: int, micro_batches: int = 1, pool: BufferPool | None = None) -> None:
        self._limit = limit
        self._pool = pool or BufferPool(0)
        self._micro_batches = micro_batches
        self._length = 0  # foreseen rows of the whole step
        self._seen = 0
        self._chunks: list[Tensor] = []

    def add(self, features: Tensor) -> None:
        """Copy this micro-batch's share of the rows on its own device, without waiting."""
        n = len(features)
        if not self._length:
            self._length = n * self._micro_batches
        start, stop = self._pick_from(self._seen), self._pick_from(self._seen + n)
        if stop > start:
            self._chunks.append(self._copy(features.detach(), start, stop))
        self._seen += n

    def rewind(self, mark: tuple[int, int]) -> None:
        """Forget what was added since ``mark`` was taken."""
        self._seen, chunks = mark
        del self._chunks[chunks:]
        if not self._seen:
            self._length = 0

    @property
    def mark(self) -> tuple[int, int]:
        """The present state, for `rewind`."""
        return self._seen, len(self._chunks)

    @property
    def chunks(self) -> list[Tensor]:
        """The rows taken, one ``[k, D]`` tensor for each micro-batch that gave any."""
        return self._chunks

    @property
    def spacing(self) -> tuple[int, int]:
        """Length L of the micro-batches together and number P of rows to take of them.

        Row ``i`` of those taken stood at position ``i * L // P``.
        """
        return self._length, self._picks

    @property
    def _picks(self) -> int:
        return min(self._limit, self._length)

    def _pick_from(self, position: int) -> int:
        """The first pick that lies at ``position`` or behind it."""
        if not self._length:
            return 0
        return min(self._picks, -(-position * self._picks // self._length))

    def _copy(self, features: Tensor, start: int, stop: int) -> Tensor:
        rows = stop - start
        on_host = features.device.type == "cpu" and type(features) is Tensor
        target = self._pool.take(rows, features) if on_host else None
        if rows == len(features):
            return features.clone() if target is None else target.copy_(features)
        # Made on the features' device: an index from the host would make the host wait.
        picks = torch.arange(start, stop, device=features.device)
        index = picks * self._length // self._picks - self._seen
        if target is None:
            return features.index_select(0, index)
        return torch.index_select(features, 0, index, out=target)
