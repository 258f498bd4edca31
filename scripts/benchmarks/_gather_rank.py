"""One rank of `gather`: exchanges events through the plane and through a naive all_gather in turn.

Started by `_ranks.launch`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from _features import features
from _ranks import Rank
from _traffic import Bytes, Calls, interface_bytes, tcp_bytes
from torch import Tensor

from gramscope.metrics import gram_matrix, offdiag_max, offdiag_mean, offdiag_min, offdiag_std
from gramscope.monitor.exchange import Contribution, Plane

# Long enough for the kernel to count the last acknowledgements.
SETTLE_S = 0.05


def main() -> None:
    """Measure every size that the plan names."""
    torch.set_num_threads(1)
    rank = Rank()
    dist.init_process_group("gloo")
    measured = [_measure(rank, n, dim) for n, dim in rank.plan["sizes"]]
    rank.report({"sizes": measured})
    dist.barrier()
    dist.destroy_process_group()


def _measure(rank: Rank, n: int, dim: int) -> dict[str, Any]:
    plane = Plane(n, 60.0)
    rows = plane.quota(n)
    batch = features(max(rows, rank.plan["batch"]), dim, seed=rank.rank)  # [B, D]
    mine = Contribution(features(rows, dim, seed=rank.rank), list(range(rows)))
    steps = iter(range(1, 1 << 30))

    def ours() -> Tensor | None:
        gathered = plane.exchange("gram_matrix", next(steps), mine)
        return gathered.features if gathered is not None else None

    def naive() -> Tensor:
        parts = [torch.empty_like(batch) for _ in range(rank.world_size)]
        dist.all_gather(parts, batch)
        return torch.cat(parts)[:n]

    ways: dict[str, Callable[[], Tensor | None]] = {"ours": ours, "naive": naive}
    counts = {name: _count(way, rank.plan["events"]) for name, way in ways.items()}
    times = _times(ways, rank.plan["rounds"], rank.plan["events"])
    plane.close()
    return {name: {**counts[name], **times[name]} for name in ways}


def _count(way: Callable[[], object], events: int) -> dict[str, Any]:
    """Bytes an event, by the calls, by this process' connections, by the loopback."""
    way()  # connections are made at the first call
    calls = Calls()
    before = _settled()
    with calls.watching():
        for _ in range(events):
            way()
    after = _settled()
    tcp = None
    if after[0] is not None and before[0] is not None:
        tcp = [v / events for v in after[0].minus(before[0])]
    loopback = None
    if after[1] is not None and before[1] is not None:
        loopback = (after[1] - before[1]) / events
    return {
        "calls": calls.calls / events,
        "accounted": [v / events for v in calls.bytes],
        "tcp": tcp,
        "loopback_all": loopback,
    }


def _settled() -> tuple[Bytes | None, int | None]:
    """The kernel's counts while no rank says anything."""
    dist.barrier()
    time.sleep(SETTLE_S)
    counts = tcp_bytes(), interface_bytes()
    time.sleep(SETTLE_S)  # the first rank to go on must not disturb the others' reading
    return counts


def _times(
    ways: dict[str, Callable[[], Tensor | None]], rounds: int, events: int
) -> dict[str, dict[str, Any]]:
    """Seconds of the calling thread for each event, the ways in turn; one list a round."""
    measured: dict[str, dict[str, Any]] = {
        name: {"wall_s": [], "cpu_s": [], "numbers_s": []} for name in ways
    }
    for _ in range(rounds):
        for samples in measured.values():
            for values in samples.values():
                values.append([])
        for _ in range(events):
            for name, way in ways.items():
                _time(way, measured[name])
    return measured


def _time(way: Callable[[], Tensor | None], samples: dict[str, Any]) -> None:
    dist.barrier()
    wall, cpu = time.perf_counter(), time.thread_time()
    gathered = way()
    samples["cpu_s"][-1].append(time.thread_time() - cpu)
    samples["wall_s"][-1].append(time.perf_counter() - wall)
    if gathered is not None and dist.get_rank() == 0:
        start = time.perf_counter()
        gram = gram_matrix(gathered)
        for metric in (offdiag_mean, offdiag_std, offdiag_min, offdiag_max):
            metric(gram)
        samples["numbers_s"][-1].append(time.perf_counter() - start)


if __name__ == "__main__":
    main()
