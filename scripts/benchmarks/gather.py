"""Bytes and time of bringing an event's rows together, against gathering every rank's batch.

Measured with real processes on this machine, and simulated for jobs of any size.

Bytes are what a rank sends plus what it receives, of the rank that moves most. `accounted` is
worked out from the tensors that the plane gives to `torch.distributed`; `TCP` is what the kernel
counted on that rank's own connections meanwhile, with gloo's own headers; `loopback` is the
interface's counter, over all ranks, with TCP/IP headers and whatever else used it. The simulation
runs the plane itself at that world size, once for each member, with stand-ins for the collective
calls; gloo's headers are added at what each further member cost in the measurement. The naive way
is an all_gather of the whole batch of every rank, which is `--batch` samples, or a rank's share of
the N rows where that is more.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np
from _ranks import launch
from _report import Goal, Report, parser, sizes
from _stats import Estimate, Spread, ratio_of_medians
from _traffic import Calls, simulate

SIMULATED = (
    *("N x D", "ranks", "members", "rank 0", "other member", "no member", "naive"),
    *("most / 4ND", "with headers"),
)
GOAL = 2.0  # bytes a rank and event, over those of the N rows in float32


@dataclass
class Measured:
    """One way of gathering, at one size and number of real processes."""

    n: int
    dim: int
    world_size: int
    way: str
    accounted: float
    """Bytes sent plus received an event, of the rank that moves most."""
    tcp: float | None
    """The same, as counted by the kernel."""
    ratio: float | None
    """`tcp` over the bytes of the N rows."""
    accounted_all: float
    """Bytes that all ranks together sent an event."""
    tcp_all: float | None
    loopback_all: float | None
    wall_s: Spread
    """Of the exchange, on rank 0's calling thread."""
    cpu_s: Spread
    """Of that thread; gloo's own threads not included."""
    numbers_s: Spread
    """Gram matrix and the statistics of its off-diagonal, on rank 0 afterwards."""
    naive_over_this: Estimate
    """Wall time of the naive way over that of this one."""


@dataclass
class Simulated:
    """A job of any size."""

    n: int
    dim: int
    world_size: int
    members: int
    root: int
    """Bytes that rank 0 sends plus receives."""
    member: int
    """The most that another member does."""
    outsider: int | None
    """What a rank that is no member does; ``None`` if there is none."""
    naive: int
    """What every rank does if all gather all batches."""
    ratio: float
    """The most that any rank moves, over the bytes of the N rows."""
    ratio_with_headers: float | None
    """The same with gloo's headers, which grow with the number of members."""


def main() -> None:
    """Measure, simulate, print and write."""
    arguments = _arguments()
    report = Report("gather", arguments)
    measured: list[Measured] = []
    for world_size in arguments.processes:
        measured = _measure(world_size, arguments)
        _show_measured(report, world_size, measured)
    headers = _headers(measured)
    simulated = [
        _simulate(world_size, n, dim, arguments.batch, headers)
        for n, dim in arguments.sizes
        for world_size in _powers_of_two(arguments.largest)
    ]
    _show_simulated(report, simulated, headers, arguments.processes[-1])
    report.finish()


def _arguments() -> argparse.Namespace:
    options = parser("gather", __doc__)
    options.add_argument(
        "--sizes", type=sizes, metavar="NxD,…", help="(128x192,128x768,512x768,128x65536)"
    )
    options.add_argument("--processes", type=_numbers, metavar="P,…", help="(2,4,8)")
    options.add_argument("--batch", type=int, default=32, help="samples a rank has (32)")
    options.add_argument("--rounds", type=int, help="rounds, resampled for intervals (8)")
    options.add_argument("--events", type=int, help="events a round, each way (10)")
    options.add_argument("--largest", type=int, help="largest simulated world size (16384)")
    arguments = options.parse_args()
    quick = arguments.quick
    full = [(128, 192), (128, 768), (512, 768), (128, 65536)]
    arguments.sizes = arguments.sizes or ([(16, 24), (128, 768)] if quick else full)
    arguments.processes = arguments.processes or ([2, 4] if quick else [2, 4, 8])
    arguments.rounds = arguments.rounds or (2 if quick else 8)
    arguments.events = arguments.events or (3 if quick else 10)
    arguments.largest = arguments.largest or 16384
    return arguments


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _powers_of_two(largest: int) -> list[int]:
    return [1 << k for k in range(1, largest.bit_length())]


def _measure(world_size: int, arguments: argparse.Namespace) -> list[Measured]:
    plan = {k: getattr(arguments, k) for k in ("sizes", "batch", "rounds", "events")}
    ranks = launch("_gather_rank.py", plan, world_size)
    return [
        _row(n, dim, way, [rank["sizes"][place] for rank in ranks])
        for place, (n, dim) in enumerate(arguments.sizes)
        for way in ("ours", "naive")
    ]


def _row(n: int, dim: int, way: str, ranks: list[dict[str, Any]]) -> Measured:
    mine = [rank[way] for rank in ranks]
    known = all(rank["tcp"] is not None for rank in mine)
    tcp = max(sum(rank["tcp"]) for rank in mine) if known else None
    root = mine[0]
    return Measured(
        n,
        dim,
        len(ranks),
        way,
        max(sum(rank["accounted"]) for rank in mine),
        tcp,
        tcp / (4 * n * dim) if tcp is not None else None,
        sum(rank["accounted"][0] for rank in mine),
        sum(rank["tcp"][0] for rank in mine) if known else None,
        root["loopback_all"],
        _spread(root["wall_s"]),
        _spread(root["cpu_s"]),
        _spread(root["numbers_s"]),
        ratio_of_medians(list(zip(ranks[0]["naive"]["wall_s"], root["wall_s"], strict=True))),
    )


def _spread(rounds: list[list[float]]) -> Spread:
    return Spread.of([value for values in rounds for value in values])


def _show_measured(report: Report, world_size: int, rows: list[Measured]) -> None:
    report.table(
        f"{world_size} processes: bytes an event of the rank that moves most (sent + received), "
        "and of all ranks (sent)",
        ["N x D", "way", "accounted", "TCP", "TCP / 4ND", "all: accounted", "TCP", "loopback"],
        [
            (
                f"{row.n}x{row.dim}",
                row.way,
                *map(_grouped, (row.accounted, row.tcp)),
                f"{row.ratio:.3f}" if row.ratio is not None else "unknown",
                *map(_grouped, (row.accounted_all, row.tcp_all, row.loopback_all)),
            )
            for row in rows
        ],
    )
    report.table(
        f"{world_size} processes: rank 0's monitor thread an event, ms: median [p5 – p95]; "
        "`naive / this` is wall time, median of rounds (95 % interval)",
        ["N x D", "way", "exchange, wall", "its CPU", "numbers, wall", "naive / this"],
        [
            (
                f"{row.n}x{row.dim}",
                row.way,
                row.wall_s.text(1e3),
                row.cpu_s.text(1e3),
                row.numbers_s.text(1e3),
                row.naive_over_this.text() if row.way == "ours" else "1",
            )
            for row in rows
        ],
    )
    report.keep(f"processes_{world_size}", rows)
    for row in rows:
        if row.way == "ours" and row.ratio is not None:
            report.goal(
                Goal(
                    f"bytes a rank, {row.n}x{row.dim}, {world_size} processes, over 4ND",
                    GOAL,
                    Estimate.exactly(row.ratio),
                )
            )


def _headers(rows: list[Measured]) -> float | None:
    """Bytes that gloo adds at the rank that moves most, for each other member."""
    added = [
        (row.tcp - row.accounted) / (row.world_size - 1)
        for row in rows
        if row.way == "ours" and row.tcp is not None
    ]
    return float(np.median(added)) if added else None


def _simulate(world_size: int, n: int, dim: int, batch: int, headers: float | None) -> Simulated:
    moved = {rank: sum(calls.bytes) for rank, calls in simulate(world_size, n, dim).items()}
    naive = Calls()
    share = max(batch, -(-n // world_size))
    naive.sent = naive.received = (world_size - 1) * 4 * share * dim
    members = min(world_size, n)
    root, *others = moved.values()  # the outsider, if there is one, comes last
    return Simulated(
        n,
        dim,
        world_size,
        members,
        root,
        max(others[: members - 1], default=0),
        others[-1] if len(moved) > members else None,
        sum(naive.bytes),
        max(moved.values()) / (4 * n * dim),
        (max(moved.values()) + headers * (members - 1)) / (4 * n * dim)
        if headers is not None
        else None,
    )


def _show_simulated(
    report: Report, rows: list[Simulated], headers: float | None, processes: int
) -> None:
    report.table(
        "simulated: bytes an event, sent + received",
        SIMULATED,
        [
            (
                f"{row.n}x{row.dim}",
                row.world_size,
                row.members,
                *map(_grouped, (row.root, row.member)),
                _grouped(row.outsider) if row.outsider is not None else "–",
                _grouped(row.naive),
                f"{row.ratio:.3f}",
                f"{row.ratio_with_headers:.3f}" if row.ratio_with_headers else "unknown",
            )
            for row in rows
        ],
    )
    report.keep("simulated", rows)
    report.keep("headers_per_member", headers)
    if headers is not None:
        report.note(f"gloo's headers: {headers:.0f} bytes a member, as at {processes} processes")
    for n, dim in dict.fromkeys((row.n, row.dim) for row in rows):
        same = [row for row in rows if (row.n, row.dim) == (n, dim)]
        most = Estimate.exactly(max(row.ratio_with_headers or row.ratio for row in same))
        figure = f"bytes a rank, {n}x{dim}, any world size, over 4ND, {_kind(headers)}"
        report.goal(Goal(figure, GOAL, most))
        beyond = {max(row.root, row.member) for row in same if row.world_size >= n}
        constant = "constant" if len(beyond) == 1 else f"not constant: {sorted(beyond)}"
        report.note(f"{n}x{dim}: {constant} from {n} ranks on")


def _kind(headers: float | None) -> str:
    return "payload" if headers is None else "with gloo's headers"


def _grouped(value: float | None) -> str:
    return f"{value:,.0f}" if value is not None else "unknown"


if __name__ == "__main__":
    main()
