"""Where ranks meet: a process group of the monitor's own, apart from training's."""

from __future__ import annotations

import logging
import textwrap
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor

from gramscope.events import Reason
from gramscope.monitor.group import Group, StoppedError
from gramscope.monitor.link import Link, MissedEventError
from gramscope.monitor.rows import member_ranks, quota

__all__ = ["Exchange", "Gathered"]

log = logging.getLogger(__name__)

PATIENCE_S = 1800.0
"""Seconds to wait for a peer: long, because that costs training nothing."""

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


class _OutOfStepError(Exception):
    """The members are not at the same event."""


class Exchange:
    """Carries rows of all member ranks to rank 0, over host memory, in their own dtype.

    Every member makes the same calls in the same order whatever happened on it: one
    `all_gather` of a fixed-size status, from which all derive alike whether and at what size one
    `gather` of padded rows follows. A call that fails or waits too long is the end of these
    connections: each rank sees only itself until all are back, see `Link`.

    Construct it on every rank of the job at the same point, and use it from one thread.

    Args:
        max_samples: Largest number of rows that any event has; there are no more members.
        patience_s: Seconds to wait for a peer, which costs training nothing.
    """

    def __init__(
        self, max_samples: int, patience_s: float = PATIENCE_S, name: str | None = None
    ) -> None:
        together = dist.is_available() and dist.is_initialized()
        self.rank = dist.get_rank() if together else 0
        self.world_size = dist.get_world_size() if together else 1
        self.lost = Reason.none
        """Why there are no connections."""
        self._said: set[str] = set()
        self._members = member_ranks(self.world_size, max_samples)
        self._link: Link | None = None
        self._sequence = 0
        if len(self._members) > 1 and self.is_member:
            self._link = Link(self.rank, self._members, patience_s, name)

    @property
    def is_member(self) -> bool:
        """Whether this rank gives rows at all."""
        return self.rank in self._members

    @property
    def is_root(self) -> bool:
        """Whether this rank receives the rows."""
        return self.rank == 0

    @property
    def shares_store(self) -> bool:
        """Whether connections are made over training's own store, because it has no copy."""
        return self._link is not None and not self._link.heals

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
            tag: Names the monitor; rows of a rank that is at another tag or step are left out.
            step: Optimizer step of the event.
            features: This rank's rows, ``[k, D]`` on the host; ``None`` if it gives none.
            spacing: Length L of the batch and number P of evenly spaced rows that were to be
                taken from it: row ``i`` stood at position ``i * L // P``.
            reason: Why it gives none.

        Returns:
            All rows on the root, ``None`` elsewhere.
        """
        self._sequence += 1
        if self._link is not None and self._link.group is None:
            self._meet(self._link, f"{tag}@{step}")
        if features is not None and features.dtype not in _FLOATS:
            features = features.to(_COMMON)
        mine = self._status(zlib.crc32(f"{tag}@{step}".encode()) >> 1, features, spacing, reason)
        if self._link is None or self._link.group is None:
            return self._alone(mine, features)
        try:
            return self._together(self._link, self._link.group, mine, features)
        except Exception as error:
            self._lose(self._link, error)
            return self._alone(mine, features)

    def open(self) -> None:
        """Make the connections; waits for the other ranks, on the thread that will use them."""
        if self._link is not None:
            self._attempt(self._link.open)

    def hang_up(self, why: str, *, missed: bool) -> None:
        """Have peers get an error at once instead of waiting for this rank's next call.

        Args:
            why: Said in the log.
            missed: Whether there was no `gather` for the event.
        """
        self._sequence += missed
        if self._link is not None:
            self._lose(self._link, ConnectionError(why))

    def stop(self) -> None:
        """End all waiting for peers; from any thread."""
        if self._link is not None:
            self._link.stop()

    def close(self) -> None:
        """Let go of the connections; once the thread that uses them has ended."""
        if self._link is not None:
            self._link.close()

    def _meet(self, link: Link, event: str) -> None:
        sequence = self._attempt(lambda: link.meet(self._sequence, event))
        if sequence is None:
            self.lost = self.lost or Reason.peer_lost
            return
        self._sequence = sequence
        if self.lost:
            self._say("Rank %d's monitor has its peers back, at %s.", self.rank, event)
        self.lost = Reason.none

    def _attempt(self, meet: Callable[[], int | None]) -> int | None:
        assert self._link is not None
        try:
            return meet()
        except StoppedError:
            pass  # it is the end
        except Exception as error:
            self._sequence += isinstance(error, MissedEventError)  # as other ranks have counted
            self._lose(self._link, error)
        return None

    def _status(
        self, tag: int, features: Tensor | None, spacing: tuple[int, int], reason: Reason
    ) -> _Status:
        if features is None:
            return _Status(self._sequence, tag, int(reason), 0, 0, 0, 0, 0)
        rows, dim = features.shape
        kind = _FLOATS.index(features.dtype)
        return _Status(self._sequence, tag, int(reason), rows, dim, kind, *spacing)

    def _together(
        self, link: Link, group: Group, mine: _Status, features: Tensor | None
    ) -> Gathered | None:
        row = torch.tensor(mine, dtype=torch.int32, device="cpu")
        rows = group.all_gather(row)
        statuses = dict(zip(link.members, (_Status(*r.tolist()) for r in rows), strict=True))
        if any(s[:2] != mine[:2] for s in statuses.values()):  # as all of them see
            raise _OutOfStepError("they disagree on which event comes next")
        reasons = {rank: Reason.peer_lost for rank in self._members if rank not in statuses}
        reasons |= {rank: Reason(s.reason) for rank, s in statuses.items() if s.reason}
        giving = {rank: s for rank, s in statuses.items() if s.rows and not s.reason}
        if reasons.get(0) is Reason.backlog or not giving:  # nobody there to receive, or to send
            return self._nothing(reasons) if self.is_root else None
        dim = Counter(s.dim for s in giving.values()).most_common(1)[0][0]
        reasons.update((r, Reason.other_dimension) for r, s in giving.items() if s.dim != dim)
        giving = {rank: s for rank, s in giving.items() if s.dim == dim}
        dtype = _wire_dtype(giving.values())
        own = features if self.rank in giving else None
        packed = _pack(own, max(s.rows for s in giving.values()), dim, dtype)
        buffers = group.gather(packed)
        if buffers is None:
            return None
        return self._unpack(dict(zip(link.members, buffers, strict=True)), giving, dtype, reasons)

    def _unpack(
        self,
        buffers: dict[int, Tensor],
        giving: dict[int, _Status],
        dtype: torch.dtype,
        reasons: dict[int, Reason],
    ) -> Gathered:
        packed = torch.cat([buffers[rank][: s.rows] for rank, s in giving.items()])
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

    def _lose(self, link: Link, why: Exception) -> None:
        out_of_step = isinstance(why, _OutOfStepError)
        self.lost = Reason.ranks_out_of_step if out_of_step else Reason.peer_lost
        link.lose()
        if not isinstance(why, StoppedError):
            self._say(
                "Rank %d's monitor lost its peers (%s: %s); until all are back it shows rank 0's "
                "rows only. Training is not affected.",
                self.rank,
                self.lost.name,
                textwrap.shorten(str(why), 200),
            )

    def _say(self, message: str, *arguments: object) -> None:
        said = message % arguments
        known = said in self._said
        self._said.add(said)
        level = logging.WARNING if self.is_root and not known else logging.INFO
        log.log(level, "%s", said)


def _pack(features: Tensor | None, rows: int, dim: int, dtype: torch.dtype) -> Tensor:
    """``[rows, bytes]`` uint8, because gloo does not know every dtype."""
    width = dim * dtype.itemsize
    packed = torch.empty(0, width, dtype=torch.uint8, device="cpu")
    if features is not None:
        packed = features.to(dtype).contiguous().view(torch.uint8)
    if len(packed) < rows:
        packed = torch.cat([packed, packed.new_zeros(rows - len(packed), width)])
    return packed


def _wire_dtype(statuses: Iterable[_Status]) -> torch.dtype:
    """The dtype in which rows travel: their own, if all ranks have the same."""
    kinds = {status.dtype for status in statuses}
    return _FLOATS[kinds.pop()] if len(kinds) == 1 else _COMMON


def _computable(features: Tensor) -> Tensor:
    return features if features.dtype == torch.float64 else features.float()


def _full(rows: int, value: int) -> Tensor:
    return torch.full((rows,), value, dtype=torch.int32, device="cpu")
