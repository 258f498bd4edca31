"""Where ranks meet: a process group of the monitor's own, apart from training's."""

from __future__ import annotations

import logging
import textwrap
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from gramscope.events import Reason
from gramscope.monitor.rows import member_ranks, quota

__all__ = ["Exchange", "Gathered"]

log = logging.getLogger(__name__)

_FLOATS = [
    getattr(torch, name)
    for name in (
        *("float32", "float64", "float16", "bfloat16"),
        *("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"),
    )
    if hasattr(torch, name)
]
_COMMON = torch.float32
"""What rows are converted to where ranks have different dtypes, or one that is not in the list."""


@dataclass
class Gathered:
    """The rows of all ranks, as rank 0 sees them."""

    features: Tensor
    """``[N, D]`` float32, or float64 where the ranks' rows are, on the host, in rank order."""
    rank: Tensor
    """``[N]`` int32, the rank each row came from."""
    index: Tensor
    """``[N]`` int32, its position in that rank's batch."""
    reasons: dict[int, Reason]
    """The ranks without rows, and why."""


class _Status(NamedTuple):
    """What each rank tells all others about its part of an event; 32 bytes."""

    sequence: int
    tag: int
    reason: int
    rows: int
    dim: int
    dtype: int
    """Position in `_FLOATS`."""
    length: int
    picks: int

    @property
    def positions(self) -> Tensor:
        """``[rows]`` int32, the position of each row in the rank's batch."""
        picks = torch.arange(self.rows, dtype=torch.int64, device="cpu")
        return (picks * self.length // max(1, self.picks)).int()


class Exchange:
    """Carries rows of all member ranks to rank 0, over host memory, in their own dtype.

    Every member makes the same calls in the same order whatever happened on it: one
    `all_gather` of a fixed-size status, from which all derive alike whether and at what size one
    `gather` of padded rows follows. After a call that fails or times out no more are made:
    from then on each rank only sees itself.

    Construct it on every rank of the job at the same point, and use it from one thread.

    Args:
        max_samples: Largest number of rows that any event has; there are no more members.
        timeout_s: Seconds to wait for a peer.
    """

    def __init__(self, max_samples: int, timeout_s: float) -> None:
        together = dist.is_available() and dist.is_initialized()
        self.rank = dist.get_rank() if together else 0
        self.world_size = dist.get_world_size() if together else 1
        self.lost = Reason.none
        """Why no more calls are made."""
        self.calling = False
        """Whether a call is under way, or was when its thread died."""
        self._members = member_ranks(self.world_size, max_samples)
        self._group: dist.ProcessGroup | None = None
        self._sequence = 0
        if self.world_size > 1:
            try:
                self._group = dist.new_group(
                    self._members, timeout=timedelta(seconds=timeout_s), backend="gloo"
                )
            except Exception as error:
                self._lose(Reason.peer_lost, error)

    @property
    def is_member(self) -> bool:
        """Whether this rank gives rows at all."""
        return self.rank in self._members

    @property
    def is_root(self) -> bool:
        """Whether this rank receives the rows."""
        return self.rank == 0

    def quota(self, max_samples: int) -> int:
        """Rows that this rank gives to an event of ``max_samples`` rows over all ranks."""
        if not self.is_member:
            return 0
        return quota(self._members.index(self.rank), len(self._members), max_samples)

    def gather(
        self,
        tag: str,
        step: int,
        features: Tensor | None,
        *,
        spacing: tuple[int, int] = (0, 0),
        reason: Reason = Reason.none,
    ) -> Gathered | None:
        """Bring the rows of all members together; every member must call it for every event.

        Args:
            tag: Names the monitor; ranks whose tag or step differ are out of step for good.
            step: Optimizer step of the event.
            features: This rank's rows, ``[k, D]`` on the host; ``None`` if it gives none.
            spacing: Length L of the batch and number P of evenly spaced rows that were to be
                taken from it: row ``i`` stood at position ``i * L // P``.
            reason: Why it gives none.

        Returns:
            All rows on the root, ``None`` elsewhere.
        """
        self._sequence += 1
        if features is not None and features.dtype not in _FLOATS:
            features = features.to(_COMMON)
        mine = self._status(zlib.crc32(f"{tag}@{step}".encode()) >> 1, features, spacing, reason)
        if self._group is None or self.lost:
            return self._alone(mine, features)
        self.calling = True
        try:
            gathered = self._together(mine, features)
        except Exception as error:
            self._lose(Reason.peer_lost, error)
            gathered = self._alone(mine, features)
        self.calling = False
        return gathered

    def hang_up(self, why: str) -> None:
        """Close the connections, so that peers get an error at once instead of a timeout."""
        self.calling = False
        self._lose(Reason.peer_lost, why)
        self.close()

    def close(self) -> None:
        """Release the group; only once no call is under way."""
        group, self._group = self._group, None
        if group is not None and self.is_member and dist.is_initialized():
            dist.destroy_process_group(group)

    def _status(
        self, tag: int, features: Tensor | None, spacing: tuple[int, int], reason: Reason
    ) -> _Status:
        if features is None:
            return _Status(self._sequence, tag, int(reason), 0, 0, 0, 0, 0)
        rows, dim = features.shape
        kind = _FLOATS.index(features.dtype)
        return _Status(self._sequence, tag, int(reason), rows, dim, kind, *spacing)

    def _together(self, mine: _Status, features: Tensor | None) -> Gathered | None:
        statuses = dict(zip(self._members, self._all_statuses(mine), strict=True))
        if any(status[:2] != mine[:2] for status in statuses.values()):
            self._lose(Reason.ranks_out_of_step, "they disagree on which event comes next")
            return self._alone(mine, features)
        reasons = {rank: Reason(s.reason) for rank, s in statuses.items() if s.reason}
        giving = {rank: s for rank, s in statuses.items() if s.rows and not s.reason}
        if reasons.get(0) is Reason.backlog or not giving:  # nobody there to receive, or to send
            return self._nothing(reasons) if self.is_root else None
        dim = Counter(s.dim for s in giving.values()).most_common(1)[0][0]
        reasons.update((r, Reason.other_dimension) for r, s in giving.items() if s.dim != dim)
        giving = {rank: s for rank, s in giving.items() if s.dim == dim}
        dtype = _wire_dtype(giving.values())
        rows = max(s.rows for s in giving.values())
        own = features if self.rank in giving else None
        buffers = self._gather_rows(own, rows, dim, dtype)
        return None if buffers is None else self._unpack(buffers, giving, dtype, reasons)

    def _all_statuses(self, mine: _Status) -> list[_Status]:
        row = torch.tensor(mine, dtype=torch.int32, device="cpu")
        rows = [torch.empty_like(row) for _ in self._members]
        dist.all_gather(rows, row, group=self._group)
        return [_Status(*row.tolist()) for row in rows]

    def _gather_rows(
        self, features: Tensor | None, rows: int, dim: int, dtype: torch.dtype
    ) -> list[Tensor] | None:
        # As bytes, because gloo does not know every dtype.
        width = dim * dtype.itemsize
        packed = torch.empty(0, width, dtype=torch.uint8, device="cpu")
        if features is not None:
            packed = features.to(dtype).contiguous().view(torch.uint8)
        if len(packed) < rows:
            packed = torch.cat([packed, packed.new_zeros(rows - len(packed), width)])
        buffers = [torch.empty_like(packed) for _ in self._members] if self.is_root else None
        dist.gather(packed, buffers, dst=0, group=self._group)
        return buffers

    def _unpack(
        self,
        buffers: list[Tensor],
        giving: dict[int, _Status],
        dtype: torch.dtype,
        reasons: dict[int, Reason],
    ) -> Gathered:
        sent = zip(self._members, buffers, strict=True)
        packed = torch.cat([b[: giving[rank].rows] for rank, b in sent if rank in giving])
        rank = torch.cat([_full(s.rows, rank) for rank, s in giving.items()])
        index = torch.cat([s.positions for s in giving.values()])
        return Gathered(_computable(packed.view(dtype)), rank, index, reasons)

    def _alone(self, mine: _Status, features: Tensor | None) -> Gathered | None:
        if not self.is_root:
            return None
        reasons = {rank: self.lost for rank in self._members if rank and self.lost}
        if mine.reason or features is None:
            return self._nothing({**reasons, 0: Reason(mine.reason) or Reason.no_rows})
        return Gathered(_computable(features), _full(mine.rows, 0), mine.positions, reasons)

    def _nothing(self, reasons: dict[int, Reason]) -> Gathered:
        return Gathered(torch.empty(0, 0, dtype=_COMMON), _full(0, 0), _full(0, 0), reasons)

    def _lose(self, reason: Reason, why: object) -> None:
        self.lost = reason
        log.log(
            logging.WARNING if self.is_root else logging.INFO,
            "Rank %d's monitor lost its peers (%s: %s); from here on it shows rank 0's rows only. "
            "Training is not affected.",
            self.rank,
            reason.name,
            textwrap.shorten(str(why), 200),
        )


def _wire_dtype(statuses: Iterable[_Status]) -> torch.dtype:
    """The dtype in which rows travel: their own, if all ranks have the same."""
    kinds = {status.dtype for status in statuses}
    return _FLOATS[kinds.pop()] if len(kinds) == 1 else _COMMON


def _computable(features: Tensor) -> Tensor:
    return features if features.dtype == torch.float64 else features.float()


def _full(rows: int, value: int) -> Tensor:
    return torch.full((rows,), value, dtype=torch.int32, device="cpu")
