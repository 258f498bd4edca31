"""Real processes: the matrix over all ranks' samples, whatever happens to one of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gramscope.metrics import gram_matrix
from tests.distributed import job
from tests.distributed.launch import run
from tests.distributed.torches import MEETS_AGAIN, SHARDS
from tests.support import events

pytestmark = pytest.mark.distributed

JOB = Path(__file__).with_name("job.py")


def fit(directory: Path, world_size: int, steps: int = 4, **plan: Any) -> list[dict[str, Any]]:
    """Run the job, check that it ended well and give its events."""
    callbacks = plan.pop("callbacks", [{}])
    for arguments in callbacks:
        arguments.setdefault("log_every_n_steps", 2)
        arguments.setdefault("save_dir", str(directory / "gram"))
        arguments.setdefault("timeout_s", 30)
    plan = {"rows": [8] * world_size, "steps": steps, "callbacks": callbacks, **plan}
    codes = run(JOB, plan, world_size, directory)
    output = "\n".join(p.read_text() for p in sorted(directory.glob("rank*.out")))
    assert codes == [0] * world_size, output
    for rank in range(world_size):
        assert json.loads((directory / f"rank{rank}.json").read_text())["global_step"] == steps
    return events(directory / "gram")


@pytest.mark.parametrize(
    ("rows", "max_samples", "index"),
    [
        ([8, 8], 16, [list(range(8)), list(range(8))]),
        ([8, 8], 8, [[0, 2, 4, 6], [0, 2, 4, 6]]),
        ([9, 3], 10, [[0, 1, 3, 5, 7], [0, 1, 2]]),  # uneven ranks
        ([5, 0, 4, 6], 8, [[0, 2], [], [0, 2], [0, 3]]),  # one without any
    ],
    ids=str,
)
def test_the_matrix_equals_the_one_of_the_same_rows_in_one_process(
    tmp_path: Path, rows: list[int], max_samples: int, index: list[list[int]]
) -> None:
    world_size = len(rows)
    found = fit(tmp_path, world_size, rows=rows, callbacks=[{"max_samples": max_samples}])

    assert [(e["step"], e["status"], e["world_size"]) for e in found] == [
        (s, "logged", world_size) for s in (2, 4)
    ]
    for step in (2, 4):
        features = [job.rows(r, step, n)[index[r]] for r, n in enumerate(rows)]
        with np.load(tmp_path / f"gram/gram_matrix/step_{step:08d}.npz") as saved:
            np.testing.assert_array_equal(saved["gram"], gram_matrix(torch.cat(features)).numpy())
            assert saved["index"].tolist() == [i for mine in index for i in mine]
            assert saved["rank"].tolist() == [r for r, mine in enumerate(index) for _ in mine]


def test_more_ranks_than_samples_give_one_row_each_from_some(tmp_path: Path) -> None:
    callbacks = [{"max_samples": 2}, {"max_samples": 3, "log_key": "three"}]

    found = fit(tmp_path, 4, callbacks=callbacks)

    assert [(e["log_key"], e["n"]) for e in found if e["step"] == 4] == [
        ("gram_matrix", 2),
        ("three", 3),
    ]
    assert all(e["reason"] is None for e in found)


@SHARDS
def test_a_sharded_model_in_a_plain_loop_is_watched(tmp_path: Path) -> None:
    codes = run(Path(__file__).with_name("sharded.py"), {}, 2, tmp_path)

    assert codes == [0, 0], (tmp_path / "rank0.out").read_text()
    assert json.loads((tmp_path / "rank0.json").read_text()) == ["logged"] * 4
    assert json.loads((tmp_path / "rank1.json").read_text()) == []
    assert [(e["n"], e["world_size"]) for e in events(tmp_path / "gram")] == [(8, 2)] * 4


def test_a_peer_that_does_not_come_costs_one_timeout(tmp_path: Path) -> None:
    codes = run(Path(__file__).with_name("stuck.py"), {}, 2, tmp_path)

    assert codes == [0, 0], (tmp_path / "rank0.out").read_text()
    report = json.loads((tmp_path / "rank0.json").read_text())
    together = [[step, "logged", None] for step in (1, 2)]
    alone = [[step, "logged", "rank 1: peer_lost"] for step in (3, 4, 5, 6)]
    assert report["events"] == together + alone
    assert report["longest"] < 1.0, "the training thread waits for nobody"
    assert report["close"] < 2 * 2.0 + 3.0, "one timeout, not one for each event"


def heal(directory: Path, world_size: int, **plan: Any) -> dict[str, Any]:
    """Run the loop with a rank that is away, and give what rank 0 saw."""
    defaults = {"steps": 12, "pause_s": 0.3, "patience_s": 60.0, "away_s": 0.0, "leaves": False}
    script = Path(__file__).with_name("healing.py")
    codes = run(script, {**defaults, **plan}, world_size, directory)
    assert codes == [0] * world_size, (directory / "rank0.out").read_text()
    return dict(json.loads((directory / "rank0.json").read_text()))


def test_a_rank_that_is_only_late_loses_nothing(tmp_path: Path) -> None:
    found = heal(tmp_path, 2, away_s=3.0)

    assert found["events"] == [[step, 8, None] for step in range(1, 13)]


@MEETS_AGAIN
@pytest.mark.slow
def test_ranks_that_lost_one_another_meet_again(tmp_path: Path) -> None:
    found = heal(tmp_path, 3, away_s=4.0, patience_s=1.0, steps=30)

    steps, rows, reasons = zip(*found["events"], strict=True)
    assert list(steps) == list(range(1, 31))
    lost = next(i for i, reason in enumerate(reasons) if reason and "peer_lost" in reason)
    assert (8, None) in list(zip(rows, reasons, strict=True))[lost:]


def test_a_rank_that_leaves_is_known_at_once_whoever_holds_its_connections(tmp_path: Path) -> None:
    found = heal(tmp_path, 2, leaves=True, steps=6, pause_s=0.0)

    assert found["events"][2:] == [[step, 4, "rank 1: peer_lost"] for step in (3, 4, 5, 6)]
    assert found["close_s"] < 10.0, "not the patience of 60 s"


@pytest.mark.slow
def test_a_program_that_ends_while_it_connects_to_a_dead_rank_has_not_failed() -> None:
    script = str(Path(__file__).with_name("half_met.py"))

    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)

    assert "TimeoutError: another rank has not come within 0.3 s" in done.stderr
    assert done.returncode == 1, done.stderr


@MEETS_AGAIN
def test_a_server_that_has_died_is_not_waited_for(tmp_path: Path) -> None:
    codes = run(Path(__file__).with_name("orphan.py"), {}, 2, tmp_path, timeout_s=60)

    assert codes == [0, 0]
    assert (tmp_path / "seen").read_text() == "DistNetworkError True"


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_is_stopped_slows_no_other(tmp_path: Path, rank: int) -> None:
    script = Path(__file__).with_name("stopped.py")

    codes = run(script, {"rank": rank, "seconds": 3.0}, 2, tmp_path)

    assert codes == [0, 0], (tmp_path / "rank0.out").read_text()
    root, last = [json.loads((tmp_path / f"rank{r}.json").read_text()) for r in (0, 1)]
    stopped, other = (root, last) if rank == 0 else (last, root)
    assert stopped["longest_s"] >= 3.0
    assert other["longest_s"] < 1.5
    assert root["outcomes"] == {"logged": 40}
