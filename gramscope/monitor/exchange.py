"""Where ranks meet: a process group of the monitor's own, apart from training's."""

from __future__ import annotations

import logging
import textwrap
import zlib
from collections.abc import Callable
from dataclasses import replace

import torch.distributed as dist

from gramscope.events import Reason
from gramscope.monitor.group import Group, StoppedError
from gramscope.monitor.link import Link, MissedEventError
from gramscope.monitor.rows import member_ranks, quota, share
from gramscope.monitor.wire import (
    Gathered,
    OfRole,
    Rows,
    Status,
    computable,
    lacking,
    of_role,
    pack,
    plan_of,
    travelling,
    unpack,
)

__all__ = ["Exchange"]

log = logging.getLogger(__name__)

PATIENCE_S = 1800.0
"""Seconds to wait for a peer: long, because that costs training nothing."""


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

    def share(self, samples: int) -> range:
        """Which of so many samples that all ranks know are this one's; rank 0 has the first."""
        if not self.is_member:
            return range(0)
        return share(self._members.index(self.rank), len(self._members), samples)

    def gather(
        self,
        tag: str,
        step: int,
        rows: Rows | None,
        *,
        roles: int = 1,
        reason: Reason = Reason.none,
    ) -> Gathered | None:
        """Bring the rows of all members together; every member must call it for every event.

        Args:
            tag: Names the monitor; rows of a rank that is at another tag or step are left out.
            step: Optimizer step of the event.
            rows: This rank's rows; ``None`` if it gives none.
            roles: How many features are watched, alike on all ranks.
            reason: Why it gives none.

        Returns:
            All rows on the root, ``None`` elsewhere.
        """
        self._sequence += 1
        if self._link is not None and self._link.group is None:
            self._meet(self._link, f"{tag}@{step}")
        if rows is not None:
            rows = replace(rows, features=[travelling(f) for f in rows.features])
        event = zlib.crc32(f"{tag}@{step}".encode()) >> 1
        mine = self._status(event, rows, roles, reason)
        if self._link is None or self._link.group is None:
            return self._alone(mine, rows)
        try:
            return self._together(self._link, self._link.group, mine, rows)
        except Exception as error:
            self._lose(self._link, error)
            return self._alone(mine, rows)

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

    def _status(self, tag: int, rows: Rows | None, roles: int, reason: Reason) -> Status:
        if rows is None:
            return Status(self._sequence, tag, int(reason), 0, (0, 0), 0, 0, (OfRole(),) * roles)
        why = rows.lacking or (Reason.none,) * roles
        of_roles = tuple(map(of_role, rows.features, why))
        identity = rows.identity
        about = (len(identity.index), identity.kinds, int(rows.odd), identity.alike, of_roles)
        return Status(self._sequence, tag, int(reason), *about)

    def _together(
        self, link: Link, group: Group, mine: Status, rows: Rows | None
    ) -> Gathered | None:
        answers = group.all_gather(mine.as_tensor())
        statuses = dict(zip(link.members, map(Status.of, answers), strict=True))
        if any(s[:2] != mine[:2] for s in statuses.values()):  # as all of them see
            raise _OutOfStepError("they disagree on which event comes next")
        reasons = {rank: Reason.peer_lost for rank in self._members if rank not in statuses}
        reasons |= {rank: Reason(s.reason) for rank, s in statuses.items() if s.reason}
        giving = {rank: s for rank, s in statuses.items() if s.rows and not s.reason}
        if reasons.get(0) is Reason.backlog or not giving:  # nobody there to receive, or to send
            return self._nothing(reasons) if self.is_root else None
        plan = plan_of(giving, reasons)
        own = rows if self.rank in plan.giving else None
        buffers = group.gather(pack(own, plan))
        if buffers is None:
            return None
        gathered = unpack(dict(zip(link.members, buffers, strict=True)), plan, reasons)
        gathered.odd = [r for r, s in plan.giving.items() if s.odd and r]
        return gathered

    def _alone(self, mine: Status, rows: Rows | None) -> Gathered | None:
        if not self.is_root:
            return None
        reasons = {rank: self.lost for rank in self._members if rank and self.lost}
        if mine.reason or rows is None:
            return self._nothing({**reasons, 0: Reason(mine.reason) or Reason.no_rows})
        features = [None if f is None else computable(f) for f in rows.features]
        return Gathered(features, {0: rows.identity}, reasons, lacking([mine], features))

    def _nothing(self, reasons: dict[int, Reason]) -> Gathered:
        return Gathered([], {}, reasons)

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
