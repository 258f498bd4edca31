"""Where ranks meet: a communication plane of the monitor's own, apart from training's."""

from __future__ import annotations

import enum
import logging
import textwrap
import zlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from gramscope.monitor.rows import member_ranks, quota

__all__ = ["Contribution", "Gathered", "Plane", "Problem"]

log = logging.getLogger(__name__)


class Problem(enum.IntEnum):
    """Why a rank gives no rows. The number travels in the status row, the name is the reason."""

    none = 0
    missing_key = 1
    not_a_tensor = 2
    bad_shape = 3
    no_such_module = 4
    inside_compiled_module = 5
    capture_failed = 6
    copy_failed = 7
    no_rows = 8
    backlog = 9
    nothing_captured = 10
    monitor_died = 11
    other_dimension = 12
    peer_lost = 13
    ranks_out_of_step = 14
    not_called = 15


@dataclass
class Contribution:
    """What one rank brings to an event: rows, or the reason why there are none."""

    features: Tensor | None = None
    """``[k, D]`` float32 on the host."""
    index: list[int] = field(default_factory=list)
    """Position of each row in the rank's batch."""
    problem: Problem = Problem.none


@dataclass
class Gathered:
    """The rows of all ranks, as the root sees them."""

    features: Tensor
    """``[N, D]`` float32 on the host, in rank order."""
    rank: Tensor
    """``[N]`` int32."""
    index: Tensor
    """``[N]`` int32."""
    problems: dict[int, Problem]
    """The ranks without rows, and why."""


class Plane:
    """Carries rows of all member ranks to rank 0, over host memory.

    Every member makes the same calls in the same order whatever happened on it: one
    `all_gather` of a fixed-size status, from which all derive alike whether and at what size one
    `gather` of padded rows follows. A call that fails or times out ends the talking for good:
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
        self.lost: Problem = Problem.none
        self.talking = False
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
                self._lose(Problem.peer_lost, error)

    @property
    def is_member(self) -> bool:
        """Whether this rank gives rows at all."""
        return self.rank in self._members

    @property
    def is_root(self) -> bool:
        """Whether this rank receives the rows."""
        return self.rank == 0

    def quota(self, max_samples: int) -> int:
        """Rows that this rank gives to an event of ``max_samples`` rows.

        Args:
            max_samples: Rows of the event, over all ranks.
        """
        if not self.is_member:
            return 0
        return quota(self._members.index(self.rank), len(self._members), max_samples)

    def exchange(self, tag: str, step: int, mine: Contribution) -> Gathered | None:
        """Bring the rows of all members together; every member must call it for every event.

        Args:
            tag: Names the monitor; ranks whose tag or step differ are out of step for good.
            step: Optimizer step of the event.
            mine: This rank's rows or problem.

        Returns:
            All rows on the root, ``None`` elsewhere.
        """
        self._sequence += 1
        if self._group is None or self.lost:
            return self._alone(mine)
        self.talking = True
        try:
            gathered = self._together(zlib.crc32(f"{tag}@{step}".encode()), mine)
        except Exception as error:
            self._lose(Problem.peer_lost, error)
            gathered = self._alone(mine)
        self.talking = False
        return gathered

    def give_up(self, why: str) -> None:
        """Hang up, so that peers get an error at once instead of a timeout.

        Args:
            why: For the warning.
        """
        self.talking = False
        self._lose(Problem.peer_lost, why)
        self.close()

    def close(self) -> None:
        """Release the group; only once no call is under way."""
        group, self._group = self._group, None
        if group is not None and self.is_member and dist.is_initialized():
            dist.destroy_process_group(group)

    def _together(self, tag: int, mine: Contribution) -> Gathered | None:
        statuses = self._all_statuses(tag, mine)
        if any(status[:2] != [self._sequence, tag] for status in statuses):
            self._lose(Problem.ranks_out_of_step, "they disagree on which event comes next")
            return self._alone(mine)
        problems = {
            rank: Problem(status[2])
            for rank, status in zip(self._members, statuses, strict=True)
            if status[2]
        }
        if problems.get(0) is Problem.backlog:  # nobody there to receive
            return self._nothing(problems) if self.is_root else None
        dims = {
            rank: (status[3], status[4])
            for rank, status in zip(self._members, statuses, strict=True)
            if not status[2] and status[3]
        }
        if not dims:
            return self._nothing(problems) if self.is_root else None
        dim = Counter(d for _, d in dims.values()).most_common(1)[0][0]
        problems.update((r, Problem.other_dimension) for r, (_, d) in dims.items() if d != dim)
        rows = {rank: n for rank, (n, d) in dims.items() if d == dim}
        buffers = self._gather_rows(mine, max(rows.values()), dim, self.rank in rows)
        return self._unpack(buffers, rows, problems) if buffers is not None else None

    def _all_statuses(self, tag: int, mine: Contribution) -> list[list[int]]:
        rows, dim = mine.features.shape if mine.features is not None else (0, 0)
        status = torch.tensor(
            [self._sequence, tag, int(mine.problem), rows, dim], dtype=torch.int64, device="cpu"
        )
        statuses = [torch.empty_like(status) for _ in self._members]
        dist.all_gather(statuses, status, group=self._group)
        return [s.tolist() for s in statuses]

    def _gather_rows(
        self, mine: Contribution, rows: int, dim: int, included: bool
    ) -> list[Tensor] | None:
        # One call moves rows and positions: the last column is an int32 in a float32's clothes.
        packed = torch.zeros(rows, dim + 1, dtype=torch.float32, device="cpu")
        if included and mine.features is not None:
            n = len(mine.features)
            packed[:n, :dim] = mine.features
            packed[:n, dim] = torch.tensor(mine.index, dtype=torch.int32).view(torch.float32)
        buffers = [torch.empty_like(packed) for _ in self._members] if self.is_root else None
        dist.gather(packed, buffers, dst=0, group=self._group)
        return buffers

    def _unpack(
        self, buffers: list[Tensor], rows: dict[int, int], problems: dict[int, Problem]
    ) -> Gathered:
        packed = torch.cat(
            [
                buffer[: rows.get(rank, 0)]
                for rank, buffer in zip(self._members, buffers, strict=True)
            ]
        )
        rank = torch.cat([torch.full((n,), r, dtype=torch.int32) for r, n in rows.items()])
        index = packed[:, -1].contiguous().view(torch.int32)
        return Gathered(packed[:, :-1].contiguous(), rank, index, problems)

    def _alone(self, mine: Contribution) -> Gathered | None:
        if not self.is_root:
            return None
        problems = {rank: self.lost for rank in self._members if rank and self.lost}
        if mine.problem or mine.features is None:
            return self._nothing({**problems, 0: mine.problem or Problem.no_rows})
        rank = torch.zeros(len(mine.features), dtype=torch.int32)
        index = torch.tensor(mine.index, dtype=torch.int32)
        return Gathered(mine.features, rank, index, problems)

    def _nothing(self, problems: dict[int, Problem]) -> Gathered:
        none = torch.empty(0, dtype=torch.int32)
        return Gathered(torch.empty(0, 0, dtype=torch.float32), none, none, problems)

    def _lose(self, problem: Problem, why: object) -> None:
        self.lost = problem
        log.log(
            logging.WARNING if self.is_root else logging.INFO,
            "Rank %d's monitor lost its peers (%s: %s); from here on it shows rank 0's rows only. "
            "Training is not affected.",
            self.rank,
            problem.name,
            textwrap.shorten(str(why), 200),
        )
