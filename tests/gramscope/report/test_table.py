"""The table in the terminal."""

from __future__ import annotations

import io
import re
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from gramscope.cli import main
from gramscope.diagnosis import NUMBERS, Number
from tests.gramscope.report.reading import table_rows
from tests.gramscope.report.sweep_dir import SweepDir

Printed = Callable[..., str]


class TestSettings:
    """What was swept has columns; the rest is one line."""

    def test_values_that_differ_have_a_column(self, sweep: SweepDir, printed: Printed) -> None:
        sweep.job("+model.optim.lr=1e-3", "seed=1", "+x=same").log(1)
        sweep.job("+model.optim.lr=1e-2", "seed=1", "+x=same").log(1)

        out = printed()

        assert [row["lr"] for row in table_rows(out)] == ["1e-3", "1e-2"]
        assert "same in all jobs  seed=1 x=same feature=teacher_cls_token" in out

    @pytest.mark.parametrize("overrides", [[], ["lr=1"]])
    def test_a_key_that_a_job_lacks(
        self, sweep: SweepDir, printed: Printed, overrides: list[str]
    ) -> None:
        sweep.job("lr=1", "seed=1").log(1)
        sweep.job(*overrides).log(1)

        assert [row["seed"] for row in table_rows(printed())] == ["1", "—"]

    def test_short_names_that_would_collide_stay_long(
        self, sweep: SweepDir, printed: Printed
    ) -> None:
        sweep.job("a.lr=1", "b.lr=1", "c.seed=1", "d.worst.job=x").log(1)
        sweep.job("a.lr=2", "b.lr=2", "c.seed=2", "d.worst.job=y").log(1)

        assert {"a.lr", "b.lr", "seed", "d.worst.job", "job"} <= set(table_rows(printed())[0])

    @pytest.mark.parametrize(
        ("override", "value"),
        [
            ("layers=[1,2]", "[1,2]"),
            ("opt={name:adam,lr:1e-3}", "{name:adam,lr:1e-3}"),
            ("text='a=b, c'", "'a=b, c'"),
            ("style=[bold red]", "[bold red]"),
            ("smile=:smile:", ":smile:"),
            ("gone=null", "null"),
            ("~gone", "(deleted)"),
            ("text='a\nb\x1b[2J'", r"'a\nb\x1b[2J'"),
            ("gram/feature@callbacks.gram_teacher=student", "student"),
            ("seed=123456789012", "123456789012"),
            ("name=v1.2.3-rc.4.5", "v1.2.3-rc.4.5"),
            ("name=0.1-and-more-text", "0.1-and-more-text"),
            # Digits that a search drew are rounded.
            ("weight=0.6384313346273944", "0.63843"),
            ("weight=1.234567890123e-05", "1.2346e-05"),
        ],
    )
    def test_values_are_shown_as_written(
        self, sweep: SweepDir, printed: Printed, override: str, value: str
    ) -> None:
        sweep.job(override).log(1)
        sweep.job("lr=1").log(1)

        out = printed()

        heading = re.split("[@=]", override.lstrip("~"))[0]
        assert table_rows(out)[0][heading] == value
        assert "\x1b" not in out


class TestFeature:
    """Rows say which feature they are of where it is not said yet."""

    def test_a_job_with_several_has_a_row_each(self, sweep: SweepDir, printed: Printed) -> None:
        job = sweep.job()
        job.log(1, feature_key="teacher", log_key="gram_matrix/teacher")
        job.log(1, feature_key="student", log_key="gram_matrix/student")

        rows = table_rows(printed())

        assert [row["job"] for row in rows] == ["0", "0"]
        assert [row["feature"] for row in rows] == ["teacher", "student"]

    @pytest.mark.parametrize(
        ("override", "heading"),
        [("callbacks.gram.feature_key={}", "feature_key"), ("+callbacks=gram_{}", "feature")],
    )
    def test_a_sweep_over_features_says_it_once(
        self, sweep: SweepDir, printed: Printed, override: str, heading: str
    ) -> None:
        for key in ("teacher", "student"):
            sweep.job(override.format(key)).log(1, feature_key=key)

        rows = table_rows(printed())

        assert {"feature", "feature_key"} & rows[0].keys() == {heading}
        assert [row[heading] for row in rows] == ["teacher", "student"]

    def test_one_feature_under_two_keys(self, sweep: SweepDir, printed: Printed) -> None:
        sweep.job().log(1, log_key="a").log(1, log_key="b")

        rows = table_rows(printed())

        assert [r["feature"] for r in rows] == ["teacher_cls_token (a)", "teacher_cls_token (b)"]


class TestMetrics:
    """Final is of the last logged event, worst of the whole run."""

    def test_final_and_worst(self, sweep: SweepDir, printed: Printed) -> None:
        job = sweep.job()
        for step, mean, std in [(1, 0.1, 0.3), (2, 0.9, 0.05), (3, 0.4, 0.2)]:
            job.log(step, metrics={"offdiag_mean": mean, "offdiag_std": std})

        (row,) = table_rows(printed())

        assert row["offdiag_mean"] == "0.400"
        assert row["worst"] == "0.900"
        assert row["offdiag_std"] == "0.200"
        assert row["min..max"] == "0.050..0.300"

    def test_a_skipped_step_counts_for_worst_only(self, sweep: SweepDir, printed: Printed) -> None:
        job = sweep.job().log(1, metrics={"offdiag_mean": 0.1})
        job.skip(2, reason="render_failed", offdiag_mean=0.8)

        (row,) = table_rows(printed())

        assert (row["offdiag_mean"], row["worst"]) == ("0.100", "0.800")

    def test_a_number_with_a_sound_value_is_shown_where_a_job_has_another(
        self, sweep: SweepDir, printed: Printed
    ) -> None:
        job = sweep.job().log(1, metrics={"offdiag_mean": 0.1, "nonfinite_rows": 0})
        assert "nonfinite_rows" not in table_rows(printed())[0]

        job.log(2, metrics={"offdiag_mean": 0.1, "nonfinite_rows": 3})
        job.log(3, metrics={"offdiag_mean": 0.1, "nonfinite_rows": 1})

        assert table_rows(printed())[0]["nonfinite_rows"] == "3"

    @pytest.mark.parametrize(
        ("bad", "heading", "value"),
        [
            ("low", "worst", "2.25"),
            ("high", "worst", "3.25"),
            ("both", "min..max", "2.25..3.25"),
            (None, "logged", "3"),
        ],
    )
    def test_a_new_number_is_one_entry_of_the_table_of_numbers(
        self,
        sweep: SweepDir,
        printed: Printed,
        monkeypatch: pytest.MonkeyPatch,
        bad: Any,
        heading: str,
        value: str,
    ) -> None:
        rank = Number("rank", "features", 1.0, 64.0, bad, "", "", headline=True, decimals=None)
        monkeypatch.setitem(NUMBERS, "rank", rank)
        job = sweep.job().log(1, metrics={"rank": 2.25}).log(2, metrics={"rank": 3.25})
        job.log(3, metrics={"rank": 2.75})

        headings, _, values = (line.split() for line in printed().splitlines()[:3])

        at = headings.index("rank")
        assert headings[at : at + 2] == ["rank", heading]
        assert values[at : at + 2] == ["2.75", value]

    def test_counts_reasons_and_the_last_step(self, sweep: SweepDir, printed: Printed) -> None:
        job = sweep.job().log(10, 20).skip(30, 40).skip(50, reason="shutdown; slow on 1 rank")

        (row,) = table_rows(printed())

        assert row["logged"] == "2"
        assert row["skipped"] == "3 (backlog 2, shutdown 1)"
        assert row["last step"] == "50"
        assert job.path.name == row["job"]


class TestOutput:
    """Nothing is cut off, at any width."""

    def test_lines_do_not_wrap_where_they_are_searched(
        self, sweep: SweepDir, printed: Printed
    ) -> None:
        sweep.job("a=" + "x" * 500).log(1)
        sweep.job("a=" + "y" * 500).log(1)
        sweep.job("a=z")  # which has a remark, as the others have not

        out = printed()

        assert any("x" * 500 in line and "0.100" in line for line in out.splitlines())
        assert all(line == line.rstrip() for line in out.splitlines())

    @pytest.mark.parametrize("width", [15, 40, 60, 80, 100, 120])
    def test_a_narrow_terminal_shows_all(
        self,
        sweep: SweepDir,
        printed: Printed,
        monkeypatch: pytest.MonkeyPatch,
        width: int,
    ) -> None:
        for key in ("teacher_cls_token", "student_glob_cls_token_backbone"):
            sweep.job(f"feature_key={key}", "x=[1,2]").log(1, feature_key=key).skip(2)
        wide = _characters(printed())

        monkeypatch.setenv("COLUMNS", str(width))
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        narrow = printed()

        table, _, _ = _plain(narrow).rpartition("page  ")  # a path stays whole, for copying
        assert max(map(len, table.splitlines())) <= width
        assert wide <= _characters(narrow)

    def test_a_terminal_of_ascii(self, sweep: SweepDir, monkeypatch: pytest.MonkeyPatch) -> None:
        sweep.job("a=é").log(1)
        sweep.job().log(1)
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))

        main(["sweep-report", str(sweep.path)])
        sys.stdout.flush()

        assert b"teacher_cls_token" in raw.getvalue()
        assert b"?" in raw.getvalue()


def _characters(text: str) -> Counter[str]:
    return Counter(c for c in _plain(text) if c.isalnum())


def _plain(text: str) -> str:
    return text.replace("\x1b[1m", "").replace("\x1b[0m", "")
