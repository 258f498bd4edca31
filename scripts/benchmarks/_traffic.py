"""Bytes that a rank sends and receives: counted by the kernel, and worked out from the calls.

The kernel counts the payload of each TCP connection of this very process, whatever else uses the
loopback. The calls are watched where `torch.distributed` offers them, so that the communication
plane's own code decides what is counted.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import torch
import torch.distributed as dist
from torch import Tensor

from gramscope.monitor.exchange import Contribution, Plane
from gramscope.monitor.rows import member_ranks

__all__ = ["Bytes", "Calls", "interface_bytes", "simulate", "tcp_bytes"]


class Bytes(NamedTuple):
    """What one rank moved."""

    sent: int
    received: int

    def minus(self, other: Bytes) -> Bytes:
        """The difference of two counts.

        Args:
            other: The earlier one.
        """
        return Bytes(self.sent - other.sent, self.received - other.received)


def tcp_bytes() -> Bytes | None:
    """Payload of all TCP connections that this process has open; ``None`` if not known."""
    if not hasattr(socket, "TCP_INFO"):
        return None
    sent = received = 0
    for fd in os.listdir("/proc/self/fd"):  # noqa: PTH208 - plain names are wanted
        info = _tcp_info(int(fd))
        if info is not None:
            sent += info[0]
            received += info[1]
    return Bytes(sent, received)


def _tcp_info(fd: int) -> tuple[int, int] | None:
    """Bytes that the peer has acknowledged, and bytes that have come in."""
    try:
        if not stat.S_ISSOCK(os.fstat(fd).st_mode):
            return None
        with socket.socket(fileno=os.dup(fd)) as connection:
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    except OSError:  # closed meanwhile, or no connection of TCP
        return None
    if len(info) < 136:  # `tcpi_bytes_acked` and `tcpi_bytes_received` of linux/tcp.h
        return None
    acknowledged, received = struct.unpack_from("=QQ", info, 120)
    return acknowledged, received


def interface_bytes() -> int | None:
    """Bytes that the loopback has carried, headers and everybody else's included."""
    try:
        return int(Path("/sys/class/net/lo/statistics/tx_bytes").read_text())
    except OSError:
        return None


@dataclass
class Calls:
    """Works out from the tensors given to collective calls what a rank moves.

    In a gather every other rank sends its tensor to the root; in an all_gather, which goes round
    a ring, every rank passes on as many tensors as there are other ranks.
    """

    sent: int = 0
    received: int = 0
    calls: int = 0

    def all_gather(self, tensors: list[Tensor], tensor: Tensor, **_: Any) -> None:
        """Count an `all_gather`.

        Args:
            tensors: One for each member.
            tensor: This rank's.
        """
        self.calls += 1
        self.sent += (len(tensors) - 1) * tensor.nbytes
        self.received += (len(tensors) - 1) * tensor.nbytes

    def gather(self, tensor: Tensor, gather_list: list[Tensor] | None = None, **_: Any) -> None:
        """Count a `gather`.

        Args:
            tensor: This rank's.
            gather_list: One for each member, on the root only.
        """
        self.calls += 1
        if gather_list is None:
            self.sent += tensor.nbytes
        else:
            self.received += (len(gather_list) - 1) * tensor.nbytes

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Count the calls that are really made meanwhile."""
        with mock.patch.multiple(
            dist,
            all_gather=_also(dist.all_gather, self.all_gather),
            gather=_also(dist.gather, self.gather),
        ):
            yield

    @property
    def bytes(self) -> Bytes:
        """The count so far."""
        return Bytes(self.sent, self.received)


def _also(call: Callable[..., Any], count: Callable[..., None]) -> Callable[..., Any]:
    def both(*args: Any, **kwargs: Any) -> Any:
        count(*args, **kwargs)
        return call(*args, **kwargs)

    return both


def simulate(world_size: int, max_samples: int, dim: int) -> dict[int, Calls]:
    """What every member, and one rank that is none, moves for one event in a job of any size.

    The plane itself runs once for each of these ranks, with stand-ins for the collective calls.

    Args:
        world_size: Ranks in the job.
        max_samples: Rows of the event.
        dim: Columns of the features.

    Returns:
        By rank; a rank that is no member has made no calls.
    """
    members = member_ranks(world_size, max_samples)
    planes = {rank: _plane(rank, world_size, max_samples) for rank in members}
    mine = {rank: _contribution(plane.quota(max_samples), dim) for rank, plane in planes.items()}
    # Every member stops short at its first exchange, to show what it would say there.
    statuses = [_status(_plane(r, world_size, max_samples), mine[r]) for r in members]
    moved = {rank: _exchange(planes[rank], mine[rank], statuses) for rank in members}
    outsider = next((rank for rank in range(world_size) if rank not in moved), None)
    if outsider is not None:
        assert _plane(outsider, world_size, max_samples).quota(max_samples) == 0
        moved[outsider] = Calls()
    return moved


def _plane(rank: int, world_size: int, max_samples: int) -> Plane:
    with mock.patch.multiple(
        dist,
        is_initialized=lambda: True,
        get_rank=lambda: rank,
        get_world_size=lambda: world_size,
        new_group=lambda *_, **__: object(),
    ):
        return Plane(max_samples, 60.0)


def _contribution(rows: int, dim: int) -> Contribution:
    return Contribution(torch.zeros(rows, dim), list(range(rows)))


class _StatusError(BaseException):  # not an Exception: the plane handles those
    def __init__(self, status: Tensor) -> None:
        self.status = status


def _status(plane: Plane, mine: Contribution) -> Tensor:
    def stop(tensors: list[Tensor], tensor: Tensor, **_: Any) -> None:
        raise _StatusError(tensor)

    try:
        with mock.patch.object(dist, "all_gather", stop):
            plane.exchange("simulated", 1, mine)
    except _StatusError as stopped:
        return stopped.status
    raise RuntimeError("the plane no longer begins an event with an all_gather")


def _exchange(plane: Plane, mine: Contribution, statuses: list[Tensor]) -> Calls:
    calls = Calls()

    def all_gather(tensors: list[Tensor], tensor: Tensor, **_: Any) -> None:
        calls.all_gather(tensors, tensor)
        for target, status in zip(tensors, statuses, strict=True):
            target.copy_(status)

    with mock.patch.multiple(dist, all_gather=all_gather, gather=calls.gather):
        plane.exchange("simulated", 1, mine)
    if plane.lost:
        raise RuntimeError(f"the plane lost its simulated peers: {plane.lost.name}")
    return calls
