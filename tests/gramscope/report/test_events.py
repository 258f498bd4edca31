"""Events without a picture, and events of several features."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gramscope.events import Event
from tests.gramscope.report.reading import Page, pixels, table_rows
from tests.gramscope.report.sweep_dir import SweepDir

YELLOW, PURPLE = (253, 231, 36), (68, 1, 84)


class TestWithoutAPicture:
    """Numbers are made more often than pictures."""

    def test_its_numbers_count_and_its_picture_is_not_missed(
        self, sweep: SweepDir, page: Callable[..., Page], printed: Callable[..., str]
    ) -> None:
        for lr in (1, 2):
            sweep.job(f"lr={lr}").log(50, 100)
        job = sweep.job("lr=3").log(100).measure(50, offdiag_mean=0.9)
        job.measure(150, offdiag_mean=0.4)

        row = table_rows(printed())[-1]
        shown = page()

        assert (row["offdiag_mean"], row["worst"], row["logged"]) == ("0.400", "0.900", "3")
        assert row["skipped"] == "0"
        assert shown.steps == ["step 50", "step 100"]
        assert shown.cells[-1][0].text == "numbers without a picture"
        assert "picture data not found" not in shown.text
        chart = shown.table("grid").all("td", "chart")[-1]
        assert "offdiag_mean 0.900 at step 50, 0.400 at step 150" in chart.all("title")[0].text

    def test_a_picture_was_due_as_often_as_one_was_drawn(
        self, sweep: SweepDir, page: Callable[..., Page]
    ) -> None:
        for lr in (1, 2):
            sweep.job(f"lr={lr}").log(100, 150, 200)
        sweep.job("lr=3").log(100, 200).measure(110, 210, offdiag_mean=0.9)

        assert [cell.text for cell in page().cells[-1]][1] == "not due"

    def test_a_run_of_numbers_alone(self, sweep: SweepDir, page: Callable[..., Page]) -> None:
        sweep.job("lr=1").log(5)
        sweep.job("lr=2").measure(3, 6, offdiag_mean=0.9)

        assert page().cells[-1][0].text == "not due"


class TestThinned:
    """Numbers of every event are there, and the matrices of some."""

    def test_the_page_chooses_among_those_that_are_there(
        self, sweep: SweepDir, page: Callable[..., Page], printed: Callable[..., str]
    ) -> None:
        job = sweep.job().log(*range(10, 1010, 10))
        for step in range(10, 1010, 10):
            if step % 250:
                job.npz(step).unlink()

        (row,) = table_rows(printed())
        shown = page()

        assert shown.steps == ["step 250", "step 500", "step 750", "step 1000"]
        assert all(cell.all("img") for cell in shown.cells[0])
        assert row["logged"] == "100"
        assert row["remarks"] == "matrices of 4 of 100 events are on disk"
        assert "offdiag_mean 0.100 at step 10, 0.100 at step 1000" in shown.text

    def test_one_that_others_have_is_not_missed(
        self, sweep: SweepDir, page: Callable[..., Page], printed: Callable[..., str]
    ) -> None:
        for lr in (1, 2):
            sweep.job(f"lr={lr}").log(100, 200, 300)
        job = sweep.job("lr=3").log(100, 200, 300)
        for step in (100, 200):
            job.npz(step).unlink()

        texts = [cell.text for cell in page().cells[-1]]

        assert texts[:2] == ["no matrix on disk"] * 2
        assert texts[2].startswith("step 300")
        assert "not found" not in printed()

    def test_a_single_one_is_missed(self, sweep: SweepDir, printed: Callable[..., str]) -> None:
        for lr in (1, 2):
            sweep.job(f"lr={lr}").log(100, 200)
        sweep.job("lr=3").log(100, 200).npz(100).unlink()

        assert table_rows(printed())[-1]["remarks"] == "step 100: picture data not found"

    def test_where_none_can_be_listed_each_is_looked_for(
        self, sweep: SweepDir, printed: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        closed = sweep.job().log(100, 200).npz(100).parent
        scandir = os.scandir

        def refuse(path: Any) -> Any:
            if Path(path) == closed:
                raise PermissionError(13, "Permission denied", str(path))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refuse)  # whoever runs the tests may be allowed all

        out = printed()

        assert f"{closed} cannot be read (Permission denied)" in out
        assert "not found" not in out
        assert "on disk" not in out

    def test_a_key_that_no_directory_can_have(
        self, sweep: SweepDir, printed: Callable[..., str]
    ) -> None:
        job = sweep.job()
        for key in ("nul\0", "\ud800", "x" * 300, ".."):
            event = Event(1, key, "f", metrics={"offdiag_mean": 0.5})
            event.log()
            job.line(event.as_json())

        rows = table_rows(printed())

        assert [row["offdiag_mean"] for row in rows] == ["0.500"] * 4


class TestSeveralFeatures:
    """Features that were watched together have a row each."""

    def test_each_row_has_its_numbers_and_its_picture(
        self, sweep: SweepDir, page: Callable[..., Page], printed: Callable[..., str]
    ) -> None:
        metrics = {"teacher/offdiag_mean": 0.1, "student/offdiag_mean": 0.9}
        metrics |= {"teacher_student_cka": 0.5, "student/rank_ceiling": 3, "other/number": 7}
        sweep.job().log(1, metrics=metrics, gram=1, role="teacher", others={"student": -1})

        rows = table_rows(printed())
        shown = page()

        assert [(row["feature"], row["offdiag_mean"]) for row in rows] == [
            ("teacher", "0.100"),
            ("student", "0.900"),
        ]
        ((teacher,), (student,)) = shown.cells
        assert (pixels(teacher.all("img")[0]) == YELLOW).all()
        assert (pixels(student.all("img")[0]) == PURPLE).all()
        assert "Gram matrix of student" in student.all("img")[0].attributes["alt"]
        (others,) = shown.root.all("details", "others")
        assert [tr.text for tr in others.all("tbody")[0].all("tr")] == [
            "rank_ceiling — 3",
            "teacher_student_cka 0.500 0.500",
            "other/number 7 7",
        ]

    def test_a_feature_without_a_matrix(self, sweep: SweepDir, page: Callable[..., Page]) -> None:
        metrics = {"teacher/offdiag_mean": 0.1, "student/offdiag_mean": 0.9}
        sweep.job().log(1, metrics=metrics, role="teacher")

        assert [cell.text for (cell,) in page().cells] == [
            "step 1 mean 0.100",
            "no picture data of this feature",
        ]
