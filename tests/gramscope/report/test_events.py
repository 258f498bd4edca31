"""Events without a picture, and events of several features."""

from __future__ import annotations

from collections.abc import Callable

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
