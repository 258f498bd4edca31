"""Bytes that a rank sends and receives: counted by the kernel, and worked out from the calls.

The kernel counts the payload of each TCP connection of this very process, whatever else uses the
loopback. The calls are watched where the exchange makes them, so that its own code decides what
is counted.
"""

import contextlib
import itertools
import os
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from gramscope.monitor.exchange import Exchange
from gramscope.monitor.rows import member_ranks
from gramscope.monitor.wire import Rows


def tcp_bytes() -> np.ndarray:
    """Bytes sent, as peers have acknowledged, and received on this process's TCP connections.

    Not numbers where the system does not count them.
    """
    if not hasattr(socket, "TCP_INFO"):
        return np.full(2, np.nan)
    total = np.zeros(2)
    # Not psutil's list, which is read from a table of everybody's connections while it changes.
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile, or no TCP
            if str(link.readlink()).startswith("socket:"):
                with socket.socket(fileno=os.dup(int(link.name))) as same:
                    info = same.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
                # `tcpi_bytes_acked` and `tcpi_bytes_received` of linux/tcp.h
                total += struct.unpack_from("=QQ", info, 120)
    return total


def all_gather_bytes(size: int, tensor: Tensor) -> np.ndarray:
    """Bytes sent and received: round a ring, each rank passes on as many tensors as others are."""
    return np.full(2, (size - 1) * tensor.nbytes)


def gather_bytes(size: int, tensor: Tensor, *, is_root: bool) -> np.ndarray:
    """Bytes sent and received: every other rank sends its tensor to the root."""
    return np.array([0, (size - 1) * tensor.nbytes] if is_root else [tensor.nbytes, 0])


def simulate(world_size: int, max_samples: int, dim: int) -> list[np.ndarray]:
    """What every member, and one rank that is none, moves for one event in a job of any size.

    That one comes last. Each of them runs the exchange itself, in a thread of its own, with
    stand-ins for the collective calls.
    """
    members = member_ranks(world_size, max_samples)
    others = (rank for rank in range(world_size) if rank not in members)
    here = threading.local()
    meeting = threading.Barrier(len(members), timeout=60)
    statuses: dict[int, Tensor] = {}

    class StandIn:
        """A link whose members have met, and its group."""

        def __init__(self, *_: Any) -> None:
            self.members, self.group = members, self

        def all_gather(self, tensor: Tensor) -> list[Tensor]:
            here.moved += all_gather_bytes(len(members), tensor)
            statuses[here.rank] = tensor
            meeting.wait()
            return [statuses[rank] for rank in members]

        def gather(self, tensor: Tensor) -> list[Tensor] | None:
            is_root = here.rank == 0
            here.moved += gather_bytes(len(members), tensor, is_root=is_root)
            return [tensor] * len(members) if is_root else None

    def take_part(rank: int) -> np.ndarray:
        here.rank, here.moved = rank, np.zeros(2, dtype=int)
        exchange = Exchange(max_samples)
        if rows := exchange.quota(max_samples):
            exchange.gather("simulated", 1, Rows.of(torch.zeros(rows, dim)))
        if exchange.lost:
            raise RuntimeError(f"the exchange lost its simulated peers: {exchange.lost.name}")
        return here.moved

    stand_ins = {
        "is_initialized": lambda: True,
        "get_rank": lambda: here.rank,
        "get_world_size": lambda: world_size,
    }
    ranks = [*members, *itertools.islice(others, 1)]
    link = mock.patch("gramscope.monitor.exchange.Link", StandIn)
    with mock.patch.multiple(dist, **stand_ins), link, ThreadPoolExecutor(len(ranks)) as pool:
        return list(pool.map(take_part, ranks))
