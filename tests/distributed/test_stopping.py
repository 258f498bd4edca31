"""A diagnosis ends training on all ranks at the same step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.distributed.launch import run

pytestmark = [pytest.mark.distributed]

SCRIPT = Path(__file__).with_name("stopping.py")


def reports(directory: Path, **plan: Any) -> list[dict[str, Any]]:
    plan = {"fails_on": None, "full": False, "steps": 3000, **plan}
    codes = run(SCRIPT, plan, 2, directory, timeout_s=120)
    assert codes == [0, 0], (directory / "rank0.out").read_text()[-3000:]
    return [json.loads((directory / f"rank{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("fails_on", [None, 1], ids=["both watch", "one cannot start"])
def test_all_ranks_stop_at_the_same_step_after_a_checkpoint(
    tmp_path: Path, fails_on: int | None
) -> None:
    root, peer = reports(tmp_path, fails_on=fails_on)

    assert root["step"] == peer["step"] < 3000
    assert root["step"] % 3 == 1, "at a due step, and one more"
    assert [root["stopped"], peer["stopped"]] == ["complete_collapse", ""]
    (path,) = (tmp_path / "root").glob("*.ckpt")
    assert path.name == f"stopped_step_{root['step'] - 1:08d}.ckpt"
    assert torch.load(path, weights_only=False)["global_step"] == root["step"] - 1
    said = [(tmp_path / f"rank{rank}.log").read_text() for rank in range(2)]
    assert "as `stop_on` asks: f: complete collapse since step 6" in said[0]
    assert "stop_on" not in said[1]


def test_a_checkpoint_that_rank_0_cannot_write_leaves_no_rank_waiting(tmp_path: Path) -> None:
    root, peer = reports(tmp_path, full=True)

    assert root["step"] == peer["step"] < 3000
    assert root["stopped"] == "complete_collapse"
    assert "Checkpoint: none (" in (tmp_path / "rank0.log").read_text()


def test_where_rank_0_cannot_watch_nothing_stops_and_nobody_waits(tmp_path: Path) -> None:
    root, peer = reports(tmp_path, fails_on=0, steps=12)

    assert (root["step"], peer["step"]) == (12, 12)
    assert root["stopped"] == ""
