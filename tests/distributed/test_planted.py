"""Nothing of ours reaches training, on either of two ranks, and peers wait for no timeout."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.distributed.launch import run

pytestmark = [
    pytest.mark.distributed,
    pytest.mark.slow,
    pytest.mark.skipif(sys.version_info < (3, 11), reason="functions have no qualified names"),
]


Reports = list[dict[str, Any]]


def reports(directory: Path, world_size: int, *, ours: bool) -> Reports:
    """What each rank saw, whatever failed: training's own weights, and no timeout waited for."""
    script = Path(__file__).with_name("planted.py")
    codes = run(script, {"ours": ours}, world_size, directory, timeout_s=240)
    assert codes == [0] * world_size, (directory / "rank0.out").read_text()[-5000:]
    found = [json.loads((directory / f"rank{r}.json").read_text()) for r in range(world_size)]
    assert found[0]["expected"]["outcomes"] == {"logged": 3}
    for report in found:
        others = [r for r in report["seen"] if r["weights"] != report["expected"]["weights"]]
        assert others == []
        assert [r for r in report["seen"] if r["seconds"] > 15.0] == [], "less than the timeout"
        assert [r for r in report["seen"] if r["off"] and r["threads"]] == []
    return found


@pytest.mark.parametrize("world_size", [1, 2])
def test_a_function_that_fails_on_one_rank_costs_that_rank_s_rows_at_most(
    tmp_path: Path, world_size: int
) -> None:
    root, *_ = reports(tmp_path, world_size, ours=False)

    assert len(root["seen"]) > 100
    assert [
        run for run in root["seen"] if sum(run["outcomes"].values()) != 3 and not run["off"]
    ] == []
    # Struck on rank 1, rank 0 shows its own rows at least.
    assert [r for r in root["seen"] if r["struck"] and r["outcomes"] != {"logged": 3}] == []


def test_a_function_that_fails_on_a_thread_of_ours_costs_an_event_at_most(tmp_path: Path) -> None:
    root, *_ = reports(tmp_path, 2, ours=True)

    assert len(root["seen"]) > 150
    lost = [run for run in root["seen"] if run["outcomes"].get("logged", 0) < 2]
    assert lost == []
    assert [run for run in root["seen"] if sum(run["outcomes"].values()) != 3] == []
