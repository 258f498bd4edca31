"""What Lightning's callbacks decide by our numbers, they decide on all ranks alike."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.distributed.launch import run
from tests.support import events

pytestmark = [pytest.mark.distributed]

SCRIPT = Path(__file__).with_name("deciding.py")


def runs(directory: Path, **plan: Any) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """What rank 0 and rank 1 saw, run by run."""
    plan = {"fails_on": None, "decides": True, "planted": False, "steps": 21, **plan}
    codes = run(SCRIPT, plan, 2, directory, timeout_s=400)
    assert codes == [0, 0], (directory / "rank0.out").read_text()[-3000:]
    found = [json.loads((directory / f"rank{rank}.json").read_text()) for rank in range(2)]
    return list(zip(*found, strict=True))


@pytest.mark.parametrize("fails_on", [None, 1], ids=["both watch", "one cannot start"])
def test_all_ranks_stop_save_and_slow_down_alike(tmp_path: Path, fails_on: int | None) -> None:
    ((root, peer),) = runs(tmp_path, fails_on=fails_on)

    assert root["alike"] == peer["alike"]
    seen = root["alike"]["seen"]
    found = {e["step"]: e["metrics"]["offdiag_mean"] for e in events(tmp_path / "none/gram")}
    # Steps 4 and 6 are due, and 7 ends an epoch: what is known by then is there from their ends on.
    assert seen[:4] == [None] * 4
    assert seen[4:8] == pytest.approx([found[2], found[2], found[4], found[6]])
    assert root["alike"]["early"] == pytest.approx(found[6])
    assert root["alike"]["step"] == 14
    saved = {6: 8, 8: 12}  # at which step a number is there that was not before
    best = min(saved, key=lambda step: found[step])
    assert root["alike"]["best"] == f"epoch=1-step={saved[best]}.ckpt"
    assert root["alike"]["settings"] == [1, True]
    assert root["alike"]["lr"] < 0.05


def test_where_rank_0_cannot_watch_who_decides_waits_on_all_ranks(tmp_path: Path) -> None:
    ((root, peer),) = runs(tmp_path, fails_on=0)

    assert root["alike"] == peer["alike"]
    assert root["alike"]["step"] == 21
    assert root["alike"]["best"] == ""
    assert root["alike"]["settings"] == [1, True]


def test_where_nobody_decides_rank_0_has_the_numbers_and_nobody_waits(tmp_path: Path) -> None:
    ((root, peer),) = runs(tmp_path, decides=False)

    assert (root["alike"]["told"], peer["alike"]["told"]) == (0, 0)
    assert set(peer["alike"]["seen"]) == {None}
    (*_, last) = events(tmp_path / "none/gram")
    assert root["last"] == pytest.approx(last["metrics"]["offdiag_mean"])
    assert root["alike"]["weights"] == peer["alike"]["weights"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="functions have no qualified names")
def test_a_function_that_fails_on_one_rank_leaves_no_other_waiting(tmp_path: Path) -> None:
    found = runs(tmp_path, planted=True, steps=8)

    assert len(found) > 40
    assert [root["alike"] for root, _ in found] == [peer["alike"] for _, peer in found]
    assert {tuple(root["alike"]["settings"]) for root, _ in found} == {(1, True)}
