"""CPU time and size of a picture: ours against plt.subplots with savefig or wandb.Image.

All routes draw the same matrices in turn, in this process on one thread; the matrices are of
clustered features, of features near collapse and of white noise, and change from picture to
picture. CPU time is that of the whole process. `helper` is our renderer as training uses it: in
its helper process, whose own CPU time is read from the kernel; `looks` are the further ones that
pictures can be asked for, drawn there from matrices of one size.
"""

import io
import os
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice, product
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before the libraries are loaded, and for the helper
os.environ.setdefault("WANDB_SILENT", "true")
os.environ["MPLBACKEND"] = "Agg"

import numpy as np
import psutil
import torch
import wandb
from _features import LOOKS, features
from _reference import heatmap
from _report import Goal, Report, numbers, options
from _stats import Spread, estimate
from matplotlib import pyplot as plt

from gramscope.events.matrix import Matrix, OfRole
from gramscope.metrics import gram_matrix
from gramscope.metrics.spectrum import spectrum
from gramscope.picture.client import RenderClient
from gramscope.picture.look import Look
from gramscope.picture.renderer import Renderer

GOAL_MS = 30.0
DIM = 768
BATCHES = 5

PANELS = ("histogram", "spectrum")
# By name: a look, and how many roles it is of.
FURTHER = {
    "cluster": (Look("cluster"), 1),
    "label": (Look("label"), 1),
    "adaptive": (Look(color_range="adaptive"), 1),
    "both panels": (Look(panels=PANELS), 1),
    "four roles": (Look(), 4),
    "all of it": (Look("cluster", "adaptive", PANELS), 4),
}

# Draws the matrix of a step as a PNG file.
Route = Callable[[Matrix, int], bytes]


def main() -> None:
    """Measure, print and write."""
    chosen = options(
        "render",
        __doc__,
        ("--n", numbers, "64,128,512", "64,512", "matrix sizes"),
        ("--rounds", int, 8, 2, "rounds, resampled for intervals"),
        ("--pictures", int, 12, 2, "pictures a route and round"),
        ("--ranks", int, 8, 8, "ranks whose borders are drawn"),
        ("--looks-n", int, 128, 64, "matrix size of further looks"),
    )
    torch.set_num_threads(1)
    report = Report("render", __doc__, chosen)
    rows = [
        row
        for n in chosen.n
        for ranks in (1, chosen.ranks)
        for row in _measure(n, ranks, chosen.rounds, chosen.pictures)
    ]
    report.table("pictures", "a picture, and its CPU time over that of ours", rows)
    pictures = chosen.rounds * chosen.pictures
    helper = [_helper(_matrices(n), Look(), pictures) for n in chosen.n]
    report.table("helper", "in the helper process: mean CPU, wall until it is here", helper)
    looks = [
        {"look": name, **_helper(_matrices(chosen.looks_n, 2, roles), look, pictures)}
        for name, (look, roles) in FURTHER.items()
    ]
    report.table("looks", "the same of further looks, two ranks", looks)
    for row in helper:
        report.goal(Goal(f"CPU of a picture, N = {row['N']}", GOAL_MS, row["CPU_ms"], "ms"))
    report.finish()


def _matrices(n: int, ranks: int = 1, roles: int = 1) -> list[Matrix]:
    """Two of each kind of features; with interleaved views of samples, and ten labels."""
    rank, index = np.divmod(np.arange(n, dtype=np.int32), -(-n // ranks))
    found = []
    for seed, kind in product(range(2), LOOKS):
        one, *others = (_of_role(features(n, DIM, kind, seed + 2 * role)) for role in range(roles))
        found.append(
            Matrix(
                one.gram,
                rank,
                index,
                one.spectrum,
                view=index % 2,
                sample=np.arange(n, dtype=np.int32) // 2,
                label=np.random.default_rng(seed).integers(10, size=n),
                role="role 0" if others else None,
                others={f"role {i}": other for i, other in enumerate(others, 1)},
            )
        )
    return found


def _of_role(x: torch.Tensor) -> OfRole:
    return OfRole(gram_matrix(x).numpy(), spectrum(x).values.float().numpy())


def _measure(n: int, ranks: int, rounds: int, pictures: int) -> list[dict[str, Any]]:
    matrices, routes = cycle(enumerate(_matrices(n, ranks))), _routes()
    # Draws the frame and whatever is loaded late.
    first = {name: _draw(route, *next(matrices)) for name, route in routes.items()}
    drawn = [
        _draw(route, *picture)
        for picture in islice(matrices, rounds * pictures)
        for route in routes.values()
    ]
    samples = np.reshape(drawn, (rounds, pictures, len(routes), 3))
    medians = np.median(samples[..., 0], axis=1)  # [rounds, routes]
    rows = []
    for i, name in enumerate(routes):
        cpu_ms, wall_ms, png_bytes = np.moveaxis(samples[:, :, i], -1, 0)
        rows.append(
            {
                "N": n,
                "ranks": ranks,
                "route": name,
                "CPU_ms": Spread.of(cpu_ms),
                "max_ms": float(cpu_ms.max()),
                "wall_ms": Spread.of(wall_ms),
                "first_ms": first[name][0],
                "PNG_kB": Spread.of(png_bytes / 1e3),
                "over_ours": estimate(medians[:, i] / medians[:, 0]) if i else None,
            }
        )
    return rows


def _draw(route: Route, step: int, matrix: Matrix) -> tuple[float, float, int]:
    """CPU time and wall time in ms, and bytes of the PNG file."""
    wall, cpu = time.perf_counter(), time.process_time()
    size = len(route(matrix, step))
    return 1e3 * (time.process_time() - cpu), 1e3 * (time.perf_counter() - wall), size


def _routes() -> dict[str, Route]:
    """The ways to a PNG file's bytes; ours keeps its frame from one picture to the next."""
    renderer = Renderer()

    def ours(matrix: Matrix, step: int) -> bytes:
        return renderer.png(matrix, f"step {step}")

    def savefig(matrix: Matrix, step: int) -> bytes:
        figure, buffer = heatmap(matrix.gram, step), io.BytesIO()
        figure.savefig(buffer, format="png")
        plt.close(figure)
        return buffer.getvalue()

    def wandb_image(matrix: Matrix, step: int) -> bytes:
        figure, buffer = heatmap(matrix.gram, step), io.BytesIO()
        wandb.Image(figure).image.save(buffer, format="png")  # as W&B does when it is logged
        plt.close(figure)
        return buffer.getvalue()

    return {"ours": ours, "savefig": savefig, "wandb.Image": wandb_image}


def _helper(matrices: Sequence[Matrix], look: Look, pictures: int) -> dict[str, Any]:
    """Our renderer in its helper process: reading the request and writing the answer included."""
    client = RenderClient(60.0)
    files = cycle([matrix.npz() for matrix in matrices])
    batches, wall_ms = [], []
    try:
        client.png(next(files), "first", look)
        helper = psutil.Process(client.pid)
        start_s = used_s = sum(helper.cpu_times()[:2])
        for _ in range(BATCHES):  # the kernel counts in ticks of 10 ms, so only sums mean anything
            for step in range(pictures):
                clock = time.perf_counter()
                client.png(next(files), f"step {step}", look)
                wall_ms.append(1e3 * (time.perf_counter() - clock))
            used_s, before = sum(helper.cpu_times()[:2]), used_s
            batches.append(1e3 * (used_s - before) / pictures)
    finally:
        client.close()
    return {
        "N": len(matrices[0].gram),
        "pictures": len(wall_ms),
        "start_once_ms": 1e3 * start_s,
        "CPU_ms": estimate(batches, np.mean),
        "wall_ms": Spread.of(wall_ms),
    }


if __name__ == "__main__":
    main()
