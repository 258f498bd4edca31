"""No hang, and nothing unaccounted for: each fault on the first and on the last rank."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.distributed.fault_table import SCRIPT, strikes
from tests.distributed.faults import FAULTS, ROWS, STEPS, STRUCK, TIMEOUT_S
from tests.distributed.launch import run
from tests.support import events

pytestmark = [pytest.mark.distributed, pytest.mark.slow]

SURVIVED = [fault for fault in FAULTS if fault != "rank_killed"]


@pytest.fixture(scope="module", params=[2, 4], ids="{}-ranks".format)
def matrix(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, int], dict[str, Any]]:
    """What every fault left, by fault and by whether it struck the last rank."""
    world_size = request.param
    directory = tmp_path_factory.mktemp("faults")
    plan = {"strikes": strikes(world_size)}
    codes = run(SCRIPT, plan, world_size, directory, timeout_s=300)
    output = "\n".join(p.read_text()[-3000:] for p in sorted(directory.glob("rank*.out")))
    assert codes == [0] * world_size, output
    reports = [json.loads((directory / f"rank{r}.json").read_text()) for r in range(world_size)]
    found = {}
    for report, *others in zip(*reports, strict=True):
        fault, rank = report["fault"], report["struck_rank"]
        record = directory / f"{fault}-{rank}"
        report["events"] = events(record) if record.is_dir() else None
        report["world_size"] = world_size
        report["others"] = others
        found[fault, rank] = report
    return found


def struck_ranks(matrix: dict[tuple[str, int], Any], fault: str) -> list[dict[str, Any]]:
    return [report for (name, _), report in matrix.items() if name == fault]


@pytest.mark.parametrize("fault", SURVIVED)
def test_training_completes_and_every_due_step_is_accounted_for(
    matrix: dict[tuple[str, int], dict[str, Any]], fault: str
) -> None:
    for report in struck_ranks(matrix, fault):
        assert report["global_step"] == STEPS
        assert [other["global_step"] for other in report["others"]] == [STEPS] * (
            report["world_size"] - 1
        )
        assert sum(report["outcomes"].values()) == STEPS
        assert report["threads"] == []
        assert report["seconds"] < TIMEOUT_S + 5
        if report["events"] is not None:
            assert [e["step"] for e in report["events"]] == list(range(1, STEPS + 1))
            statuses = Counter(e["status"] for e in report["events"])
            assert statuses["logged"] == report["outcomes"].get("logged", 0)


@pytest.mark.parametrize(
    ("fault", "rows_left", "reason"),
    [
        ("missing_key", 0, "rank {rank}: missing_key"),
        ("exception", 0, "rank {rank}: capture_failed"),
        ("nan_rows", ROWS - 3, "3 rows with NaN or Inf left out"),
        ("inf_everywhere", 0, f"{ROWS} rows with NaN or Inf left out"),
        ("other_dtype", ROWS, None),
        ("zero_rows", 0, "rank {rank}: no_rows"),
        ("fewer_rows", 3, None),
        ("late", ROWS, None),
    ],
)
def test_the_other_ranks_are_shown_and_the_missing_one_is_named(
    matrix: dict[tuple[str, int], dict[str, Any]], fault: str, rows_left: int, reason: str | None
) -> None:
    for report in struck_ranks(matrix, fault):
        whole = ROWS * report["world_size"]
        expected = [(step, whole, "logged", None) for step in range(1, STEPS + 1)]
        said = reason and reason.format(rank=report["struck_rank"])
        expected[STRUCK - 1] = (STRUCK, whole - ROWS + rows_left, "logged", said)

        found = [(e["step"], e["n"], e["status"], e["reason"]) for e in report["events"]]

        assert found == expected


def test_rows_of_another_dimension_are_left_out_by_majority(
    matrix: dict[tuple[str, int], dict[str, Any]],
) -> None:
    for report in struck_ranks(matrix, "other_dimension"):
        event = report["events"][STRUCK - 1]
        # Of two ranks neither is a majority: rank 0's dimension is kept.
        odd = 1 if report["world_size"] == 2 else report["struck_rank"]

        assert event["reason"] == f"rank {odd}: other_dimension"
        assert event["n"] == ROWS * (report["world_size"] - 1)


def test_a_dead_monitor_thread_leaves_the_root_with_its_own_rows(
    matrix: dict[tuple[str, int], dict[str, Any]],
) -> None:
    for report in struck_ranks(matrix, "monitor_thread_killed"):
        assert report["outcomes"].get("logged", 0) >= STEPS - 1
        assert report["seconds"] < TIMEOUT_S  # peers are told, they need not wait for a timeout


def test_a_picture_that_finds_no_place_is_counted(
    matrix: dict[tuple[str, int], dict[str, Any]],
) -> None:
    for fault in ("full_disk", "read_only_directory"):
        (report,) = struck_ranks(matrix, fault)
        assert report["outcomes"]["not_taken"] > 0


def test_a_killed_renderer_and_a_failing_logger_cost_no_picture(
    matrix: dict[tuple[str, int], dict[str, Any]],
) -> None:
    for fault in ("renderer_killed", "failing_logger"):
        (report,) = struck_ranks(matrix, fault)
        assert report["outcomes"] == {"logged": STEPS}


@pytest.mark.parametrize(("world_size", "rank"), [(2, 0), (2, 1), (4, 0), (4, 3)])
def test_a_killed_rank_ends_the_run_with_its_own_error(
    tmp_path: Path, world_size: int, rank: int
) -> None:
    start = time.monotonic()

    codes = run(SCRIPT, {"strikes": [("rank_killed", rank)]}, world_size, tmp_path, timeout_s=90)

    expected = [1] * world_size
    expected[rank] = -9
    assert codes == expected, "no rank may hang"
    assert time.monotonic() - start < 60
    survivor = tmp_path / f"rank{world_size - 1 - rank}.out"
    assert "RuntimeError" in survivor.read_text()
    for path in tmp_path.glob("rank_killed-*/events.jsonl"):
        assert all(e["status"] == "logged" for e in events(path.parent))
