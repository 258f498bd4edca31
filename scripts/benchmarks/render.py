"""CPU time and size of a picture: ours against plt.subplots with savefig or wandb.Image.

All routes draw the same matrices in turn, in this process on one thread; the matrices are of
clustered features, of features near collapse and of white noise, and change from picture to
picture. CPU time is that of the whole process. `helper` is our renderer as training uses it: in
its helper process, whose own CPU time is read from the kernel.
"""

from __future__ import annotations

import argparse
import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before the libraries are loaded
os.environ.setdefault("WANDB_SILENT", "true")

import matplotlib  # noqa: E402
import torch  # noqa: E402
from _features import LOOKS, features  # noqa: E402
from _machine import cpu_seconds  # noqa: E402
from _reference import close, heatmap, wandb_image  # noqa: E402
from _report import Goal, Report, parser  # noqa: E402
from _stats import Estimate, Spread, estimate, ratio_of_medians  # noqa: E402

from gramscope.metrics import gram_matrix  # noqa: E402
from gramscope.picture.client import RenderClient  # noqa: E402
from gramscope.picture.heatmap import HeatmapRenderer  # noqa: E402

GOAL_S = 0.030
DIM = 768

# Draws step `step`'s matrix and gives the size of the PNG file.
Route = Callable[[Any, int], int]


@dataclass
class Samples:
    """What one route needed, one entry a picture."""

    cpu_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)
    png_bytes: list[float] = field(default_factory=list)


@dataclass
class Row:
    """One route at one size."""

    n: int
    ranks: int
    route: str
    cpu_s: Spread
    wall_s: Spread
    png_bytes: Spread
    first_cpu_s: float
    """Of the first picture, which draws the frame and whatever is loaded late."""
    ratio: Estimate
    """Its CPU time over ours."""


def main() -> None:
    """Measure, print and write."""
    arguments = _arguments()
    matplotlib.use("Agg")
    torch.set_num_threads(1)
    report = Report("render", arguments)
    rows: list[Row] = []
    for n in arguments.n:
        for ranks in (1, arguments.ranks):
            rows += _measure(n, ranks, arguments.rounds, arguments.pictures)
    _show(report, rows)
    helper = _helper(arguments.n, arguments.rounds * arguments.pictures)
    _show_helper(report, helper)
    report.finish()


def _arguments() -> argparse.Namespace:
    options = parser("render", __doc__)
    options.add_argument("--n", type=_numbers, metavar="N,…", help="matrix sizes (64,128,512)")
    options.add_argument("--rounds", type=int, help="rounds, resampled for intervals (8)")
    options.add_argument("--pictures", type=int, help="pictures a route and round (12)")
    options.add_argument("--ranks", type=int, default=8, help="ranks whose borders are drawn (8)")
    arguments = options.parse_args()
    quick = arguments.quick
    arguments.n = arguments.n or ([64, 512] if quick else [64, 128, 512])
    arguments.rounds = arguments.rounds or (2 if quick else 8)
    arguments.pictures = arguments.pictures or (2 if quick else 12)
    return arguments


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _grams(n: int) -> list[Any]:
    """Matrices of each look, several each."""
    return [
        gram_matrix(features(n, DIM, look, seed)).numpy() for seed in range(2) for look in LOOKS
    ]


def _measure(n: int, ranks: int, rounds: int, pictures: int) -> list[Row]:
    with _routes(n, ranks) as routes:
        grams = cycle(enumerate(_grams(n)))
        first = {name: _draw(route, *next(grams)).cpu_s[0] for name, route in routes.items()}
        samples: dict[str, list[Samples]] = {name: [] for name in routes}
        for _ in range(rounds):
            for name in routes:
                samples[name].append(Samples())
            for step, gram in islice(grams, pictures):
                for name, route in routes.items():
                    _draw(route, step, gram, samples[name][-1])
    return [_row(n, ranks, name, first[name], samples) for name in routes]


@contextmanager
def _routes(n: int, ranks: int) -> Iterator[dict[str, Route]]:
    """The ways to a PNG file's bytes; ours keeps its frame from one picture to the next."""
    renderer = HeatmapRenderer()
    boundaries = tuple(rank * n // ranks for rank in range(1, ranks))

    def ours(gram: Any, step: int) -> int:
        return len(renderer.png(gram, f"step {step}", boundaries))

    def savefig(gram: Any, step: int) -> int:
        figure, buffer = heatmap(gram, step), io.BytesIO()
        figure.savefig(buffer, format="png")
        close(figure)
        return len(buffer.getvalue())

    with TemporaryDirectory() as directory:

        def wandb(gram: Any, step: int) -> int:
            figure = heatmap(gram, step)
            file = Path(directory, "picture.png")
            wandb_image(figure).image.save(file)  # as W&B does when it is logged
            close(figure)
            return file.stat().st_size

        yield {"ours": ours, "savefig": savefig, "wandb.Image": wandb}


def _draw(route: Route, step: int, gram: Any, samples: Samples | None = None) -> Samples:
    samples = samples or Samples()
    wall, cpu = time.perf_counter(), time.process_time()
    size = route(gram, step)
    samples.cpu_s.append(time.process_time() - cpu)
    samples.wall_s.append(time.perf_counter() - wall)
    samples.png_bytes.append(size)
    return samples


def _row(n: int, ranks: int, name: str, first: float, samples: dict[str, list[Samples]]) -> Row:
    mine = samples[name]
    return Row(
        n,
        ranks,
        name,
        Spread.of([v for s in mine for v in s.cpu_s]),
        Spread.of([v for s in mine for v in s.wall_s]),
        Spread.of([v for s in mine for v in s.png_bytes]),
        first,
        ratio_of_medians([(s.cpu_s, o.cpu_s) for s, o in zip(mine, samples["ours"], strict=True)]),
    )


def _show(report: Report, rows: list[Row]) -> None:
    report.table(
        "CPU and wall time of a picture, ms: median [p5 – p95]; `× ours` is this route's CPU time "
        "over ours, median of rounds (95 % interval)",
        ["N, ranks", "route", "CPU", "max", "wall", "first", "PNG, kB", "× ours"],
        [
            (
                f"{row.n}, {row.ranks}",
                row.route,
                row.cpu_s.text(1e3),
                f"{1e3 * row.cpu_s.max:.3g}",
                row.wall_s.text(1e3),
                f"{1e3 * row.first_cpu_s:.3g}",
                row.png_bytes.text(1e-3),
                row.ratio.text() if row.route != "ours" else "1",
            )
            for row in rows
        ],
    )
    report.keep("pictures", rows)


@dataclass
class Helper:
    """Our renderer in its helper process."""

    n: int
    pictures: int
    start_cpu_s: float
    """CPU time of its start and first picture."""
    cpu_s: Estimate
    """CPU time a picture, reading the request and writing the answer included."""
    wall_s: Spread
    """From asking to having the picture."""


def _helper(all_n: list[int], pictures: int) -> list[Helper]:
    return [_one_helper(n, pictures) for n in all_n]


def _one_helper(n: int, pictures: int) -> Helper:
    client = RenderClient(60.0)
    grams = [torch.from_numpy(gram) for gram in _grams(n)]
    try:
        client.png(grams[0], "first")
        assert client.pid is not None
        start = cpu_seconds(client.pid)
        batches, wall_s = [], []
        for _ in range(5):  # the kernel counts in ticks of 10 ms, so only sums mean anything
            before = cpu_seconds(client.pid)
            for step in range(pictures):
                clock = time.perf_counter()
                client.png(grams[step % len(grams)], f"step {step}")
                wall_s.append(time.perf_counter() - clock)
            batches.append((cpu_seconds(client.pid) - before) / pictures)
    finally:
        client.close()
    cpu_s = estimate(batches, lambda chosen: sum(chosen) / len(chosen))
    return Helper(n, 5 * pictures, start, cpu_s, Spread.of(wall_s))


def _show_helper(report: Report, rows: list[Helper]) -> None:
    report.table(
        "The same in the helper process, ms: mean CPU (95 % interval), wall from asking to having",
        ["N", "pictures", "start, once", "CPU", "wall"],
        [
            (
                row.n,
                row.pictures,
                f"{1e3 * row.start_cpu_s:.3g}",
                row.cpu_s.text(1e3),
                row.wall_s.text(1e3),
            )
            for row in rows
        ],
    )
    report.keep("helper", rows)
    for row in rows:
        report.goal(
            Goal(f"CPU of a picture, N = {row.n}", 1e3 * GOAL_S, row.cpu_s.times(1e3), "ms")
        )


if __name__ == "__main__":
    main()
