"""Teacher targets: distributions that use all prototypes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from project.dinov2.targets import Centering, SinkhornKnopp


def test_sinkhorn_uses_every_prototype_alike() -> None:
    torch.manual_seed(0)
    targets = SinkhornKnopp(iterations=200)(torch.randn(12, 4), 0.5)

    torch.testing.assert_close(targets.sum(dim=1), torch.ones(12))
    torch.testing.assert_close(targets.sum(dim=0), torch.full((4,), 3.0), atol=1e-3, rtol=0)


def test_sinkhorn_survives_large_logits() -> None:
    targets = SinkhornKnopp()(1e4 * torch.eye(4), 0.04)

    torch.testing.assert_close(targets, torch.eye(4))


@pytest.mark.parametrize("targets", [SinkhornKnopp(), Centering(5)], ids=["sinkhorn", "centering"])
def test_no_rows_give_no_targets(targets: torch.nn.Module) -> None:
    assert targets(torch.zeros(0, 5), 0.1).shape == (0, 5)


def test_centering_follows_the_mean_of_the_logits() -> None:
    torch.manual_seed(0)
    centering = Centering(5, momentum=0.9)
    first, second = torch.randn(8, 5), torch.randn(8, 5)
    centering(first, 0.1)
    center = 0.1 * first.mean(0)

    torch.testing.assert_close(centering.center, center)
    torch.testing.assert_close(centering(second, 0.1), ((second - center) / 0.1).softmax(-1))
    torch.testing.assert_close(centering.center, 0.9 * center + 0.1 * second.mean(0))


def test_centering_stays_in_evaluation() -> None:
    centering = Centering(5).eval()
    centering(torch.randn(8, 5), 0.1)

    assert not centering.center.any()


_RANK = """
import sys
import torch
import torch.distributed as dist
from project.dinov2.targets import Centering, SinkhornKnopp

rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
logits = torch.load(f"{folder}/logits.pt")
rows = logits[:5] if rank == 0 else logits[5:]
centering = Centering(5)
centering(rows, 0.1)
torch.save((SinkhornKnopp()(rows, 0.1), centering.center), f"{folder}/{rank}.pt")
dist.destroy_process_group()
"""


@pytest.mark.distributed
def test_two_ranks_with_uneven_rows_equal_one(tmp_path: Path) -> None:
    logits = torch.randn(7, 5)
    torch.save(logits, tmp_path / "logits.pt")
    ranks = [
        subprocess.Popen([sys.executable, "-c", _RANK, str(rank), str(tmp_path)])
        for rank in range(2)
    ]
    try:
        assert [process.wait(timeout=60) for process in ranks] == [0, 0]
    finally:
        for process in ranks:
            process.kill()
            process.wait()
    targets, centers = zip(*(torch.load(tmp_path / f"{r}.pt") for r in range(2)), strict=True)
    whole = Centering(5)
    whole(logits, 0.1)

    torch.testing.assert_close(torch.cat(targets), SinkhornKnopp()(logits, 0.1))
    for center in centers:
        torch.testing.assert_close(center, whole.center)
