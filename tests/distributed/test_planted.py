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


def test_a_function_that_fails_on_one_rank_costs_that_rank_s_rows_at_most(tmp_path: Path) -> None:
    script = Path(__file__).with_name("planted.py")

    codes = run(script, {}, 2, tmp_path, timeout_s=400)

    assert codes == [0, 0], (tmp_path / "rank0.out").read_text()[-5000:]
    reports = [json.loads((tmp_path / f"rank{r}.json").read_text()) for r in range(2)]
    assert reports[0]["expected"]["outcomes"] == {"logged": 3}
    for report in reports:
        others = [r for r in report["seen"] if r["weights"] != report["expected"]["weights"]]
        assert others == []
        assert [r for r in report["seen"] if r["seconds"] > 15.0] == [], "less than the timeout"
    unaccounted = [
        root
        for root, other in zip(*(report["seen"] for report in reports), strict=True)
        if sum(root["outcomes"].values()) != 3 and not root["off"]
    ]
    assert unaccounted == []
    # Struck on rank 1, rank 0 shows its own rows at least.
    lost = [r for r in reports[0]["seen"] if r["struck"] and r["outcomes"] != {"logged": 3}]
    assert lost == []
