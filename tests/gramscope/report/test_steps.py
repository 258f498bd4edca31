"""Which steps are shown."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gramscope.report.sweep.steps import choose_steps
from tests.gramscope.report.reading import Page
from tests.gramscope.report.sweep_dir import SweepDir

TENS, HUNDREDS = range(10, 1001, 10), range(100, 1001, 100)


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        ([range(1, 4)], 6, (1, 2, 3)),
        ([range(100, 601, 100)] * 3, 6, (100, 200, 300, 400, 500, 600)),
        ([HUNDREDS] * 3, 4, (100, 400, 700, 1000)),
        ([HUNDREDS] * 3, 2, (100, 1000)),
        ([HUNDREDS] * 3, 1, (1000,)),
        # A row that logs more often, or two, does not draw the columns away from the others.
        ([HUNDREDS, TENS], 4, (100, 400, 700, 1000)),
        ([HUNDREDS, HUNDREDS, TENS, TENS], 4, (100, 400, 700, 1000)),
        ([HUNDREDS, TENS, TENS, TENS], 4, (100, 400, 700, 1000)),
        # A row that ended early, or logged once, does not hide what came after.
        ([HUNDREDS, HUNDREDS, [100, 200, 300]], 4, (100, 400, 700, 1000)),
        ([HUNDREDS, HUNDREDS, HUNDREDS, [77]], 4, (100, 400, 700, 1000)),
        # A step that one row skipped is avoided.
        ([[1, 2, 3, 4], [1, 2, 4], [1, 2, 3, 4]], 6, (1, 2, 4)),
        # Shared by less than half, but by two.
        ([[1, 5], [2, 5], [3], [4], [6]], 6, (5,)),
        # Gaps between the steps are no reason to show less.
        ([[1, 2, 3, 4, 1000]] * 2, 4, (1, 2, 4, 1000)),
        ([HUNDREDS, [], HUNDREDS], 2, (100, 1000)),
        ([[100], [150]], 6, ()),
        ([], 6, ()),
    ],
)
def test_choice(rows: list[list[int]], columns: int, expected: tuple[int, ...]) -> None:
    assert choose_steps(rows, columns).steps == expected


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        ([HUNDREDS] * 3, 4, "These are 4 of the 10 steps kept by all 3 rows that have pictures"),
        ([HUNDREDS] * 3, 4, "(from 100 to 1000), the first, the last and others"),
        ([HUNDREDS] * 3, 2, "(from 100 to 1000), the first and the last."),
        ([HUNDREDS] * 3, 10, "These are all 10 steps kept by all 3 rows"),
        ([HUNDREDS, HUNDREDS, [100]], 6, "kept by at least 2 of the 3 rows"),
        ([[7], [7]], 6, "Shown is step 7, the only one kept by all 2 rows"),
        ([[7, 8], [7, 8]], 1, "Shown is the last of 2 steps"),
        ([[7]], 6, "kept by the one row that has pictures"),
        ([[7], [8]], 6, "not at equal steps"),
        ([[], []], 6, "No row has a picture."),
    ],
)
def test_the_choice_is_explained(rows: list[list[int]], columns: int, expected: str) -> None:
    assert expected in choose_steps(rows, columns).how


def test_the_page_has_a_column_for_each_and_says_why(
    sweep: SweepDir, page: Callable[..., Page]
) -> None:
    sweep.job("lr=1").log(*range(10, 401, 10))
    sweep.job("lr=2").log(100, 200, 300, 400)

    shown = page("--steps", "2")

    assert shown.steps == ["step 100", "step 400"]
    assert "2 of the 4 steps kept by all 2 rows" in shown.root.all("p", "how")[0].text


def test_without_a_shared_step_each_row_shows_its_last(
    sweep: SweepDir, page: Callable[..., Page]
) -> None:
    sweep.job("lr=1").log(100, 200)
    sweep.job("lr=2").log(150).skip(250)

    shown = page()

    assert shown.steps == ["last logged step"]
    assert [[cell.text for cell in row] for row in shown.cells] == [
        ["step 200 mean 0.100"],
        ["step 150 mean 0.100"],
    ]
    assert "not at equal steps" in shown.text
    assert "Gram matrices at equal steps" not in shown.text
