"""Watching changes nothing, in two processes too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.distributed.launch import run

pytestmark = pytest.mark.distributed

RUNS = [
    (capture, {"accumulate_grad_batches": accumulate, "precision": precision})
    for capture in ("auto", "outputs", "forward_hook", "extra_forward", "probes")
    for accumulate, precision in ((1, "32-true"), (6, "32-true"), (1, "bf16-mixed"))
]


def test_a_watched_run_is_the_same_to_the_last_bit_on_both_ranks(tmp_path: Path) -> None:
    script = Path(__file__).with_name("identical.py")

    codes = run(script, {"runs": RUNS}, 2, tmp_path, timeout_s=240)

    assert codes == [0, 0], (tmp_path / "rank0.out").read_text()
    for rank in range(2):
        reports = json.loads((tmp_path / f"rank{rank}.json").read_text())
        assert len(reports) == len(RUNS)
        for report, plan in zip(reports, RUNS, strict=True):
            assert report["watched"] == report["alone"], plan
            events = 7 if plan[0] == "probes" else 6  # also before the first step
            assert report["outcomes"] == ({"logged": events} if rank == 0 else {}), plan
