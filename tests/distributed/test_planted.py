"""Nothing of ours reaches training, on either of two ranks, and peers do not wait for a timeout."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.distributed.launch import run

pytestmark = [
    pytest.mark.distributed,
    pytest.mark.slow,
    pytest.mark.skipif(sys.version_info < (3, 11), reason="functions have no qualified names"),
]


@pytest.mark.parametrize("world_size", [1, 2])
def test_a_function_that_fails_on_one_rank_costs_that_rank_s_rows_at_most(
    tmp_path: Path, world_size: int
) -> None:
    script = Path(__file__).with_name("planted.py")

    codes = run(script, {}, world_size, tmp_path, timeout_s=240)

    assert codes == [0] * world_size, (tmp_path / "rank0.out").read_text()[-5000:]
    reports = [json.loads((tmp_path / f"rank{r}.json").read_text()) for r in range(world_size)]
    assert len(reports[0]["seen"]) > 100
    assert reports[0]["expected"]["outcomes"] == {"logged": 3}
    for report in reports:
        others = [r for r in report["seen"] if r["weights"] != report["expected"]["weights"]]
        assert others == []
        assert [r for r in report["seen"] if r["seconds"] > 15.0] == [], "less than the timeout"
        assert [r for r in report["seen"] if r["off"] and r["threads"]] == []
    unaccounted = [
        root
        for root in reports[0]["seen"]
        if sum(root["outcomes"].values()) != 3 and not root["off"]
    ]
    assert unaccounted == []
    # Struck on rank 1, rank 0 shows its own rows at least.
    lost = [r for r in reports[0]["seen"] if r["struck"] and r["outcomes"] != {"logged": 3}]
    assert lost == []
