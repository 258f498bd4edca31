"""How an event's numbers depend on how many samples there are, and what they cost.

The same features, drawn anew, are measured at more and more samples: white noise, a spectrum that
falls as 1/i, and 16 directions under noise, each with two views of every sample that differ by
noise. All have 768 columns. A number that changes along its line says as much about N as about the
features: compare it at equal N only.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch
from _report import Goal, Report, numbers, options
from _stats import Spread, estimate
from torch import Tensor

from gramscope.metrics import standard

DIM = 768
GOAL_MS = 15.0
SHOWN = ("offdiag_mean", "offdiag_std", "spread", "effective_rank", "participation_ratio")
SHOWN += ("stable_rank", "rankme", "cev_auc", "alpha_req", "uniformity", "uniformity_w2")
SHOWN += ("view_correlation", "view_cka", "shared_rank", "lidar")


def main() -> None:
    """Measure, print and write."""
    chosen = options(
        "samples",
        __doc__,
        ("--n", numbers, "32,64,128,256,512,1024,2048", "8,16", "rows, two views of each sample"),
        ("--draws", int, 5, 2, "times that features are drawn"),
        ("--cost-n", numbers, "32,64,128,256,512", "16", "rows whose cost is measured"),
        ("--repeats", int, 40, 3, "repeats of the cost"),
    )
    torch.set_num_threads(1)
    report = Report("samples", __doc__, chosen)
    for name, draw in FEATURES.items():
        report.table("samples", f"{name}: median over draws", _lines(name, draw, chosen))
    report.table("cost", "an event's numbers, one thread", _costs(report, chosen))
    report.finish()


def _noise(samples: int) -> Tensor:
    return torch.randn(samples, DIM)


def _falling(samples: int) -> Tensor:
    return _noise(samples) * torch.arange(1, DIM + 1) ** -0.5


def _directions(samples: int) -> Tensor:
    signal = torch.randn(samples, 16) @ torch.randn(16, DIM) / 4.0
    return signal + 0.3 * _noise(samples)


FEATURES: dict[str, Callable[[int], Tensor]] = {
    "white noise": _noise,
    "eigenvalues as 1/i": _falling,
    "16 directions": _directions,
}


def _views(draw: Callable[[int], Tensor], rows: int) -> Tensor:
    """``[rows, DIM]``: two views, stacked, that share half of their variance."""
    common = draw(rows // 2)
    scale = common.std()
    return torch.cat([common + scale * _noise(rows // 2) for _ in range(2)])


def _lines(
    name: str, draw: Callable[[int], Tensor], chosen: argparse.Namespace
) -> list[dict[str, object]]:
    found = {n: [standard(_views(draw, n), views=2) for _ in range(chosen.draws)] for n in chosen.n}
    return [
        {
            "features": name,
            "number": number,
            **{
                f"N = {n}": _median([m[number] for m in drawn if number in m])
                for n, drawn in found.items()
            },
        }
        for number in SHOWN
    ]


def _median(values: list[float]) -> float | None:
    return float(torch.tensor(values).median()) if values else None


def _costs(report: Report, chosen: argparse.Namespace) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for n in chosen.cost_n:
        features = _views(_falling, n)
        kinds = {"views_known": 2, "views_unknown": None}
        taken = {
            kind: _milliseconds(partial(standard, features, views), chosen.repeats)
            for kind, views in kinds.items()
        }
        rows.append({"N": n, "D": DIM, **{k: Spread.of(ms) for k, ms in taken.items()}})
        if n == min(chosen.cost_n, key=lambda size: abs(size - 128)):
            cost = estimate(taken["views_known"])
            report.goal(Goal(f"numbers of {n}x{DIM}, one core", GOAL_MS, cost, "ms"))
    return rows


def _milliseconds(measure: Callable[[], object], repeats: int) -> list[float]:
    measure()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        measure()
        taken.append(1e3 * (time.perf_counter() - start))
    return taken


if __name__ == "__main__":
    main()
