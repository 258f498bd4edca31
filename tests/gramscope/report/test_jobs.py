"""Which jobs and events are found, and what becomes of damaged ones."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from gramscope.config.presets import SHARED_DIR
from tests.gramscope.report.reading import Page, table_rows
from tests.gramscope.report.sweep_dir import SweepDir

Printed = Callable[..., str]

TARGET = "_target_: gramscope.callbacks.GramMatrixCallback"
# As Hydra writes what the presets say.
SHARED = f"callbacks: {{gram: {{{TARGET}, save_dir: '{SHARED_DIR}'}}}}\n"


def test_jobs_are_in_the_order_of_their_numbers(sweep: SweepDir, printed: Printed) -> None:
    for lr in range(11):
        sweep.job(f"lr={lr}").log(1)

    assert [row["job"] for row in table_rows(printed())] == [str(i) for i in range(11)]


@pytest.mark.parametrize(
    ("numbered", "others", "expected"),
    [
        # Numbers come before names, and names are in natural order.
        (["b", "a"], ["a9", "a10"], ["0", "1", "a9", "a10"]),
        (["lr=1/seed=0", "lr=2/seed=0"], [], ["0", "1"]),
    ],
)
def test_directories_may_be_named_otherwise_and_nested(
    sweep: SweepDir, printed: Printed, numbered: list[str], others: list[str], expected: list[str]
) -> None:
    for name in [*numbered, *others]:
        sweep.job(f"lr={name}", subdir=name, numbered=name in numbered).log(1)

    rows = table_rows(printed())

    assert [row["job"] for row in rows] == expected
    assert [row["lr"] for row in rows] == [*numbered, *others]


def test_jobs_of_several_sweeps_are_told_apart_by_path(sweep: SweepDir, printed: Printed) -> None:
    sweep.job("lr=1", subdir="12-00-00/0").log(1)
    sweep.jobs = 0
    sweep.job("lr=2", subdir="13-00-00/0").log(1)

    assert [row["job"] for row in table_rows(printed())] == ["12-00-00/0", "13-00-00/0"]


def test_copies_that_a_launcher_keeps_are_no_jobs(sweep: SweepDir, printed: Printed) -> None:
    sweep.job("lr=1").log(1)
    sweep.job("lr=1", subdir=".submitit/7_0/0").log(1)
    (sweep.path / "logs").mkdir()

    assert len(table_rows(printed())) == 1


def test_events_anywhere_in_a_job_are_found(sweep: SweepDir, printed: Printed) -> None:
    job = sweep.job()
    job.gram_dir = job.path / "lightning_logs" / "version_0" / "gram"
    job.log(100)

    assert table_rows(printed())[0]["last step"] == "100"


def test_what_cannot_be_searched_is_said(
    sweep: SweepDir, printed: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep.job("lr=1").log(1)
    closed = sweep.job("lr=2").log(1).path
    scandir = os.scandir

    def refuse(path: str) -> Any:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)  # whoever runs the tests may be allowed everything

    assert f"{closed} cannot be read (Permission denied)" in printed()


class TestNoEvents:
    """The report says what to write."""

    def test_the_jobs_are_named_once_and_the_page_says_it_too(
        self, sweep: SweepDir, page: Callable[..., Page]
    ) -> None:
        sweep.job("lr=1").log(1)
        sweep.job("lr=2")
        sweep.job("lr=3")

        shown = page()

        (note,) = shown.root.all("p", "note")
        assert note.text == (
            "Jobs 1, 2 kept no events. To keep them, write "
            "'++callbacks.gram.save_dir=${hydra:runtime.output_dir}/gram', "
            "or gram/files=run with the preset"
        )
        assert [[cell.text for cell in row] for row in shown.cells[1:]] == [["kept no events"]] * 2

    @pytest.mark.parametrize(
        ("config", "advice"),
        [
            (f"callbacks: {{gram_teacher: {{{TARGET}}}}}", "gram/files@callbacks.gram_teacher=run"),
            (f"callbacks: {{own: {{{TARGET}}}}}", "'++callbacks.own.save_dir=${hydra:runtime.out"),
            ("gram_dir: null\n" + SHARED, "or gram/files=run with the preset"),
            (SHARED, "or gram/files=run with the preset"),
            # Another's name for another thing.
            (f"gram_dir: out\ncallbacks: {{gram: {{{TARGET}}}}}", "gram/files=run with the preset"),
            (
                f"trainer:\n  callbacks:\n  - {{_target_: other.Thing}}\n  - {TARGET}\n",
                "save_dir: ${hydra:runtime.output_dir}/gram` into the entry trainer.callbacks[1]",
            ),
            ("anything: 1", "There is no GramMatrixCallback in their configs"),
        ],
        ids=["preset", "own", "switched off", "unasked", "null", "list", "none"],
    )
    def test_what_to_write(
        self, sweep: SweepDir, printed: Printed, config: str, advice: str
    ) -> None:
        sweep.job(config=config)

        assert advice in printed()

    @pytest.mark.parametrize(
        "config",
        [
            f"callbacks: {{gram: {{{TARGET}, save_dir: out}}}}",
            "callbacks: {gram: {_target_: project.callbacks.GramMatrixCallback, save_dir: a}}",
            "gram_dir: ${output_dir}/gram\n" + SHARED,
        ],
        ids=["own", "other path", "shared"],
    )
    def test_of_a_job_that_was_to_keep_them(
        self, config: str, sweep: SweepDir, printed: Printed
    ) -> None:
        sweep.job(config=config)

        out = printed()

        assert "no gram matrix was due, or it ended before the first" in out
        assert "To keep them" not in out

    def test_of_a_sweep_over_presets(self, sweep: SweepDir, printed: Printed) -> None:
        """What is written for one of them would be refused by the other's job."""
        for preset in ("gram_teacher", "gram_student"):
            sweep.job(f"+callbacks={preset}", config=f"callbacks:\n  {preset}: {{{TARGET}}}\n")

        out = printed()

        assert "-m +callbacks=gram gram/feature=student,teacher gram/files=run" in out
        assert "@callbacks" not in out


class TestDamage:
    """What cannot be read is said in its row, and all else is shown."""

    def test_a_step_that_was_done_again_counts_as_it_ended(
        self, sweep: SweepDir, printed: Printed
    ) -> None:
        job = sweep.job().log(10).skip(20).log(30, metrics={"offdiag_mean": 0.9})
        job.log(30, metrics={"offdiag_mean": 0.3}).log(20, metrics={"offdiag_mean": 0.2})

        (row,) = table_rows(printed())

        assert (row["logged"], row["skipped"], row["worst"]) == ("3", "0", "0.300")
        # In the order of steps, not of lines.
        assert (row["offdiag_mean"], row["last step"]) == ("0.300", "30")

    def test_a_last_line_that_is_cut_off(self, sweep: SweepDir, printed: Printed) -> None:
        job = sweep.job().log(10, 20)
        events = job.gram_dir / "events.jsonl"
        events.write_bytes(events.read_bytes()[:-40])

        (row,) = table_rows(printed())

        assert row["last step"] == "10"
        assert row["remarks"] == "the last line of events.jsonl is cut off"

    @pytest.mark.parametrize(
        "line",
        [
            "{",
            "[1, 2]",
            "null",
            '{"step": "x", "log_key": "a", "feature_key": "b"}',
            '{"step": true, "log_key": "a", "feature_key": "b"}',
            '{"step": -1, "log_key": "a", "feature_key": "b"}',
            '{"step": 5}',
            '{"step": 5, "log_key": "a", "feature_key": "b", "metrics": 7}',
            "[" * 100_000,
            '{"step": 1' + "0" * 5000 + "}",
        ],
        ids=lambda line: line[:40],
    )
    def test_a_line_that_is_no_event(self, sweep: SweepDir, printed: Printed, line: str) -> None:
        job = sweep.job().log(10)
        job.line(line)
        job.log(20)

        (row,) = table_rows(printed())

        assert row["logged"] == "2"
        assert row["remarks"] == "1 unreadable line in events.jsonl"

    def test_metrics_that_are_no_numbers_are_left_out(
        self, sweep: SweepDir, page: Callable[..., Page]
    ) -> None:
        sweep.job().line(
            '{"step": 1, "log_key": "a", "feature_key": "b", "status": "logged", "metrics": '
            '{"offdiag_mean": NaN, "a": "x", "b": true, "c": 1e999, '
            f'"d": 1{"0" * 400}, "e": 2}}}}'
        )

        (others,) = page().root.all("details", "others")

        assert [th.text for th in others.all("tbody")[0].all("th")] == ["e"]

    @pytest.mark.parametrize(
        ("name", "content", "remark"),
        [
            ("overrides.yaml", b"[unclosed", "overrides.yaml is unreadable"),
            ("hydra.yaml", b"[unclosed", "hydra.yaml is unreadable"),
            ("config.yaml", b"\xff\xfe\x00", "config.yaml is unreadable"),
            ("config.yaml", b"[" * 50_000, "config.yaml is unreadable"),
            ("config.yaml", b"- " * 50_000, "config.yaml is unreadable"),
            ("overrides.yaml", b"just text", "overrides.yaml is not a list"),
            *((name, b"just text", "") for name in ("hydra.yaml", "config.yaml")),
            *((name, b"", "") for name in ("overrides.yaml", "hydra.yaml", "config.yaml")),
            ("hydra.yaml", None, "hydra.yaml is missing"),
            ("config.yaml", None, "config.yaml is missing"),
        ],
    )
    def test_a_config_that_is_not_one(
        self, sweep: SweepDir, printed: Printed, name: str, content: bytes | None, remark: str
    ) -> None:
        sweep.job("lr=1").log(1)
        file = sweep.job("lr=2").log(1).path / ".hydra" / name
        file.unlink() if content is None else file.write_bytes(content)

        rows = table_rows(printed())

        # Without its number, a job comes after the others under the name of its directory.
        assert [row["job"] for row in rows] == ["0", "1"]
        assert rows[1].get("remarks", "") == remark

    def test_a_config_with_objects(self, sweep: SweepDir, printed: Printed) -> None:
        job = sweep.job()
        config = OmegaConf.create({"path": Path("x"), "callbacks": {"gram_teacher": {}}})
        config.callbacks.gram_teacher._target_ = "gramscope.callbacks.GramMatrixCallback"
        OmegaConf.save(config, job.path / ".hydra" / "config.yaml")

        out = printed()

        assert "gram/files@callbacks.gram_teacher=run" in out
        assert "unreadable" not in out

    @pytest.mark.skipif(sys.platform == "darwin", reason="its file names are always text")
    def test_a_name_that_is_not_text(self, sweep: SweepDir, printed: Printed) -> None:
        sweep.job("lr=1", subdir=os.fsdecode(b"caf\xe9"), numbered=False).log(1)

        assert table_rows(printed())[0]["job"] == r"caf\udce9"


class TestOptimum:
    """The best trial of a sweep that optimises."""

    def test_it_is_named_and_marked(self, sweep: SweepDir, printed: Printed) -> None:
        for lr, flag in ((0.25, True), (1e-05, True), (0.5, False)):
            sweep.job(f"+lr={lr}", f"flag={str(flag).lower()}").log(1)
        self.save(sweep, best_params={"+lr": 1e-05, "flag": True}, best_value=0.125)

        out = printed()

        assert [row["job"] for row in table_rows(out)] == ["0", "1 (best)", "2"]
        assert "best 0.125 with lr=1e-05 flag=True (job 1)" in out

    def test_of_two_alike_none_is_marked(self, sweep: SweepDir, printed: Printed) -> None:
        sweep.job("lr=1").log(1)
        sweep.job("lr=1").log(1)
        self.save(sweep, best_params={"lr": 1}, best_value=0.5)

        out = printed()

        assert [row["job"] for row in table_rows(out)] == ["0", "1"]
        assert "best 0.5 with lr=1\n" in out

    def test_several_that_none_beats(self, sweep: SweepDir, printed: Printed) -> None:
        for lr in (1, 2, 3):
            sweep.job(f"lr={lr}").log(1)
        solutions = [{"params": {"lr": lr}, "values": [lr, -lr]} for lr in (1, 3)]
        self.save(sweep, solutions=solutions)

        rows = table_rows(printed())

        assert [row["job"] for row in rows] == ["0 (Pareto)", "1", "2 (Pareto)"]

    @pytest.mark.parametrize("content", ["[unclosed", "7", "best_params: 3", "solutions: [1]"])
    def test_results_that_say_nothing(
        self, sweep: SweepDir, printed: Printed, content: str
    ) -> None:
        sweep.job("lr=1").log(1)
        (sweep.path / "optimization_results.yaml").write_text(content)

        assert table_rows(printed())[0]["job"] == "0"

    @pytest.mark.slow
    def test_what_the_sweeper_itself_writes(
        self, tmp_path: Path, sweep: SweepDir, printed: Printed
    ) -> None:
        app = tmp_path / "app.py"
        app.write_text(
            "import hydra\n"
            "@hydra.main(version_base=None, config_path=None)\n"
            "def main(cfg):\n"
            "    return (cfg.x - 0.3) ** 2 + cfg.z\n"
            "main()\n"
        )
        command = [sys.executable, str(app), "-m", "hydra/sweeper=optuna", "+x=interval(0,1)"]
        command += ["+z=choice(1,2)", "hydra.sweeper.n_trials=4", f"hydra.sweep.dir={sweep.path}"]
        command += ["hydra.sweeper.sampler.seed=1"]  # with which both values of z are tried
        subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)

        out = printed()

        best = [row for row in table_rows(out) if row["job"].endswith("(best)")]
        values = [(float(r["x"]) - 0.3) ** 2 + int(r["z"]) for r in [*table_rows(out)]]
        assert [(float(r["x"]) - 0.3) ** 2 + int(r["z"]) for r in best] == [min(values)]
        assert len(values) == 4

    def save(self, sweep: SweepDir, **results: object) -> None:
        """As the sweeper does."""
        OmegaConf.save(
            OmegaConf.create({"name": "optuna", **results}),
            sweep.path / "optimization_results.yaml",
        )
