"""Ranks that are not alike, and what else is unusual, costs no more than it must."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.distributed.launch import run
from tests.distributed.torches import MEETS_AGAIN

pytestmark = [pytest.mark.distributed, pytest.mark.slow]


def seen(case: str, directory: Path, world_size: int = 2) -> list[list[list[Any]]]:
    """For each monitor, step, rows and outcome of each event on rank 0."""
    script = Path(__file__).with_name("odd.py")
    codes = run(script, {"case": case}, world_size, directory, timeout_s=60.0)
    assert codes == [0] * world_size, (directory / "rank0.out").read_text()
    found: list[list[list[Any]]] = json.loads((directory / "rank0.json").read_text())
    return found


@MEETS_AGAIN
def test_a_rank_that_missed_an_event_is_met_again(tmp_path: Path) -> None:
    (events,) = seen("misses_an_event", tmp_path)

    whole = {step for step, n, outcome in events if (n, outcome) == (8, "logged")}
    assert {1, 2, 3, 4, 5} <= whole
    assert {38, 39, 40} <= whole


def test_two_monitors_of_one_loop_do_not_wait_for_each_other(tmp_path: Path) -> None:
    for events in seen("two_monitors", tmp_path):
        assert events == [[step, 8, "logged"] for step in range(1, 6)]


@MEETS_AGAIN
def test_a_rank_without_threads_costs_its_rows_alone(tmp_path: Path) -> None:
    (events,) = seen("no_threads", tmp_path, 3)

    assert [outcome for _, _, outcome in events] == ["logged"] * 12
    assert events[-1][1] == 5, "of 8 rows those of two ranks"


def test_a_forked_child_that_ends_takes_nothing_with_it(tmp_path: Path) -> None:
    assert seen("fork_that_exits", tmp_path) == [[[s, 8, "logged"] for s in range(1, 6)]]


def test_ranks_meet_on_older_releases_of_torch(tmp_path: Path) -> None:
    assert seen("older_torch", tmp_path) == [[[s, 8, "logged"] for s in range(1, 6)]]
