"""Real processes: rows that belong together are known over all ranks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.distributed import identity
from tests.distributed.launch import run
from tests.support import events

pytestmark = pytest.mark.distributed

SCRIPT = Path(__file__).with_name("identity.py")


def together(directory: Path, plan: dict[str, Any]) -> dict[str, Any]:
    codes = run(SCRIPT, plan, len(plan["ids"]), directory)
    output = "\n".join(p.read_text() for p in sorted(directory.glob("rank*.out")))
    assert codes == [0] * len(codes), output
    (event,) = events(directory / "together")
    return event


def test_an_event_of_two_processes_is_the_one_of_the_same_rows_in_one(tmp_path: Path) -> None:
    # The last of rank 1 is a sampler's padding.
    plan = {"ids": [[3, 4, 5, 6], [7, 8, 9, 3]], "labels": [list("abca"), list("bcaa")]}

    two = together(tmp_path, plan)
    identity.observe(identity.whole(plan), tmp_path / "alone")

    (one,) = events(tmp_path / "alone")
    assert two["metrics"] == pytest.approx(one["metrics"], rel=1e-12)
    assert {"teacher/alignment", "student/label_agreement"} <= one["metrics"].keys()
    assert "teacher_student_cka" in one["metrics"]
    assert one["metrics"]["teacher/duplicate_share"] == 0
    files = [tmp_path / d / "gram_matrix/step_00000001.npz" for d in ("together", "alone")]
    with np.load(files[0]) as found, np.load(files[1]) as expected:
        for name in {*expected} - {"rank", "index"}:
            np.testing.assert_array_equal(found[name], expected[name])
        assert found["sample_id"].tolist()[-3:] == ["scan 3"] * 3
        assert found["rank"].tolist() == [0] * 12 + [1] * 12
        assert found["index"].tolist() == [*range(12)] * 2


def test_labels_that_one_rank_alone_has_are_left_out_and_named(tmp_path: Path) -> None:
    event = together(tmp_path, {"ids": [[1, 2, 3], [4, 5, 6]], "labels": [[1, 2, 3], []]})

    assert "labels left out: alike on ranks 0 of 2 only" in event["reason"]
    assert event["n"] == 18
    assert "teacher/alignment" in event["metrics"]
    assert "teacher/label_agreement" not in event["metrics"]


def test_what_rank_0_has_no_rows_for_the_others_tell(tmp_path: Path) -> None:
    plan = {"ids": [[], [4, 5, 6, 7, 8]], "labels": [[], []]}

    event = together(tmp_path, plan)
    identity.observe(identity.whole(plan), tmp_path / "alone")

    (alone,) = events(tmp_path / "alone")
    assert "rank 0: missing_key" in event["reason"]
    assert event["metrics"] == pytest.approx(alone["metrics"], rel=1e-12)
    assert "teacher/view_correlation" in event["metrics"]
