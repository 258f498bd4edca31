"""Bytes and time of bringing an event's rows together, against gathering every rank's batch.

Measured with real processes on this machine, and simulated for jobs of any size.

Bytes are what a rank sends plus what it receives, of the rank that moves most, and what all ranks
send. `accounted` is worked out from the tensors that the exchange gives to `torch.distributed`;
`TCP` is what the kernel counted on each rank's own connections meanwhile, with gloo's own headers.
The simulation runs the exchange itself at that world size, once for each member, with stand-ins
for the collective calls; gloo's headers are added at what each further member cost in the
measurement. The naive way is an all_gather of the whole batch of every rank, which is `--batch`
samples, or a rank's share of the N rows where that is more.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.distributed as dist
from _features import features
from _ranks import launch
from _report import Goal, Report, numbers, options, sizes
from _stats import Estimate, Spread, estimate
from _traffic import all_gather_bytes, gather_bytes, simulate, tcp_bytes

from gramscope.monitor.exchange import Exchange
from gramscope.monitor.group import Group
from gramscope.monitor.wire import Rows

GOAL = 2.0  # bytes a rank and event, over those of the N rows in float32
FOUR = "128x192,128x768,512x768,128x65536"
# Long enough for the kernel to count the last acknowledgements.
SETTLE_S = 0.05


def main() -> None:
    """Measure, simulate, print and write."""
    chosen = options(
        "gather",
        __doc__,
        ("--sizes", sizes, FOUR, "16x24,128x768", "rows and columns of an event"),
        ("--processes", numbers, "2,4,8", "2,4", "real ranks"),
        ("--batch", int, 32, 32, "samples a rank has"),
        ("--rounds", int, 8, 2, "rounds, resampled for intervals"),
        ("--events", int, 10, 3, "events a round, each way"),
        ("--largest", int, 16384, 512, "largest simulated world size"),
    )
    report = Report("gather", __doc__, chosen)
    headers = 0.0
    for processes in chosen.processes:
        headers = _measure(report, processes, chosen)
    _simulate(report, headers, chosen)
    report.finish()


def _measure(report: Report, processes: int, chosen: argparse.Namespace) -> float:
    """Returns the bytes that gloo adds at the rank that moves most, for each other member."""
    plan = (chosen.sizes, chosen.batch, chosen.rounds, chosen.events)
    ranks = launch(_rank, *plan, processes=processes)
    rows = []
    for (n, dim), *mine in zip(chosen.sizes, *ranks, strict=True):
        wall_ms, cpu_ms = np.moveaxis(mine[0]["ms"], (-1, -2), (0, 1))  # [2, rounds, events] each
        medians = np.median(wall_ms, axis=-1)
        for i, way in enumerate(("ours", "naive")):
            rows.append(
                {
                    "processes": processes,
                    "N_x_D": f"{n}x{dim}",
                    "way": way,
                    **_bytes([rank[way] for rank in mine], 4 * n * dim),
                    "wall_ms": Spread.of(wall_ms[i]),
                    "CPU_ms": Spread.of(cpu_ms[i]),
                    "naive_/_ours": None if i else estimate(medians[1] / medians[0]),
                }
            )
    title = "an event: bytes of the rank that moves most, and of all; time of rank 0's thread"
    report.table("measured", title, rows)
    ours = [row for row in rows if row["way"] == "ours" and np.isfinite(row["TCP"])]
    for row in ours:
        figure = f"bytes a rank, {row['N_x_D']}, {processes} processes, over 4ND"
        report.goal(Goal(figure, GOAL, Estimate(*3 * [row["TCP_/_4ND"]], rounds=0)))
    headers = [(row["TCP"] - row["accounted"]) / (processes - 1) for row in ours]
    return float(np.median(headers)) if headers else 0.0


def _bytes(ranks: list[dict[str, Any]], rows_bytes: int) -> dict[str, float]:
    accounted, tcp = (np.array([rank[how] for rank in ranks]) for how in ("accounted", "tcp"))
    return {
        "accounted": float(accounted.sum(1).max()),
        "TCP": float(tcp.sum(1).max()),
        "TCP_/_4ND": float(tcp.sum(1).max()) / rows_bytes,
        "all:_accounted": float(accounted[:, 0].sum()),
        "all:_TCP": float(tcp[:, 0].sum()),
    }


def _rank(plan_sizes: list[Any], batch: int, rounds: int, events: int) -> list[dict[str, Any]]:
    """Of each size, what this rank moves and how long it takes, both ways in turn."""
    dist.init_process_group("gloo")
    measured = []
    for n, dim in plan_sizes:
        exchange = Exchange(n)
        ways = _ways(exchange, n, dim, batch)
        counts = {name: _count(way, events) for name, way in ways.items()}
        ms = [[[_time(w) for w in ways.values()] for _ in range(events)] for _ in range(rounds)]
        measured.append({**counts, "ms": ms})  # [rounds, events, ways, 2]
        if exchange.lost:
            raise RuntimeError(f"the exchange lost its peers: {exchange.lost.name}")
        exchange.close()
    dist.barrier()
    dist.destroy_process_group()
    return measured


def _ways(exchange: Exchange, n: int, dim: int, batch: int) -> dict[str, Callable[[], Any]]:
    quota = exchange.quota(n)
    rows = features(quota, dim, seed=exchange.rank)
    whole = features(max(quota, batch), dim, seed=exchange.rank)

    def naive() -> None:
        parts = [torch.empty_like(whole) for _ in range(exchange.world_size)]
        dist.all_gather(parts, whole)
        torch.cat(parts)

    def ours() -> None:
        exchange.gather("gram_matrix", 1, Rows.of(rows))

    return {"ours": ours, "naive": naive}


def _count(way: Callable[[], Any], events: int) -> dict[str, list[float]]:
    """Bytes sent and received an event, by the calls and by this process's connections."""
    way()  # connections are made at the first call
    accounted, before = np.zeros(2), _settled()

    size, is_root = dist.get_world_size(), dist.get_rank() == 0

    def counted(count: Callable[[Any], np.ndarray], call: Callable[..., Any]) -> Any:
        def both(*args: Any) -> Any:
            nonlocal accounted
            accounted += count(args[-1])  # the tensor
            return call(*args)

        return both

    def all_gathered(tensor: Any) -> np.ndarray:
        return all_gather_bytes(size, tensor)

    def gathered(tensor: Any) -> np.ndarray:
        return gather_bytes(size, tensor, is_root=is_root)

    ours = {
        "all_gather": counted(all_gathered, Group.all_gather),
        "gather": counted(gathered, Group.gather),
    }
    naive = mock.patch.object(dist, "all_gather", counted(all_gathered, dist.all_gather))
    with mock.patch.multiple(Group, **ours), naive:
        for _ in range(events):
            way()
    tcp = _settled() - before
    return {"accounted": (accounted / events).tolist(), "tcp": (tcp / events).tolist()}


def _settled() -> np.ndarray:
    """The kernel's counts while no rank says anything."""
    dist.barrier()
    time.sleep(SETTLE_S)
    counts = tcp_bytes()
    time.sleep(SETTLE_S)  # the first rank to go on must not disturb the others' reading
    return counts


def _time(way: Callable[[], Any]) -> tuple[float, float]:
    """Wall and CPU time of the calling thread, in ms."""
    dist.barrier()
    wall, cpu = time.perf_counter(), time.thread_time()
    way()
    return 1e3 * (time.perf_counter() - wall), 1e3 * (time.thread_time() - cpu)


def _simulate(report: Report, headers: float, chosen: argparse.Namespace) -> None:
    worlds = [1 << k for k in range(1, chosen.largest.bit_length())]
    for n, dim in chosen.sizes:
        rows = [_simulated(world, n, dim, chosen.batch, headers) for world in worlds]
        report.table("simulated", f"simulated: bytes an event of a rank, {n}x{dim}", rows)
        most = max(row["with_headers"] for row in rows)
        kind = f"with gloo's headers, {headers:.0f} bytes a member" if headers else "payload"
        figure = f"bytes a rank, {n}x{dim}, any world size, over 4ND, {kind}"
        report.goal(Goal(figure, GOAL, Estimate(most, most, most, rounds=0)))
        beyond = {row["most_/_4ND"] for row in rows if row["ranks"] >= n}
        constant = "constant" if len(beyond) == 1 else f"not constant: {sorted(beyond)}"
        report.note(f"{n}x{dim}: {constant} from {n} ranks on")


def _simulated(ranks: int, n: int, dim: int, batch: int, headers: float) -> dict[str, Any]:
    moved = [int(each.sum()) for each in simulate(ranks, n, dim)]
    members = min(ranks, n)
    return {
        "N_x_D": f"{n}x{dim}",
        "ranks": ranks,
        "members": members,
        "rank_0": moved[0],
        "other_member": max(moved[1:members], default=0),
        "no_member": moved[members] if ranks > members else None,
        # Everybody sends its batch on to, and gets one from, every other.
        "naive": 2 * (ranks - 1) * 4 * max(batch, -(-n // ranks)) * dim,
        "most_/_4ND": max(moved) / (4 * n * dim),
        "with_headers": (max(moved) + headers * (members - 1)) / (4 * n * dim),
    }


if __name__ == "__main__":
    main()
