"""Runs of plain loops, of which nothing is known but their events."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gramscope.cli import main
from gramscope.events.earlier import EARLIER
from gramscope.monitor import Monitor
from tests.gramscope.report.reading import Page, table_rows
from tests.gramscope.report.sweep_dir import JobDir, SweepDir


def run(path: Path) -> JobDir:
    """A run whose events are right in its directory."""
    job = JobDir(path)
    job.gram_dir = path
    return job


def test_what_a_monitor_kept_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_dir = tmp_path / "gram"
    for steps in [(10, 20, 30), (10, 20)]:  # the former run is no part of this one
        monitor = Monitor("embedding", 16, save_dir=save_dir)
        for step in steps:
            monitor.observe(step=step, features=torch.randn(16, 8))
        monitor.close()

    main(["sweep-report", str(save_dir)])
    (row,) = table_rows(capsys.readouterr().out)
    main(["diagnose", str(save_dir)])
    said = capsys.readouterr().out
    main(["diagnose", str(save_dir / EARLIER / "1")])
    of_former = capsys.readouterr().out

    assert (row["job"], row["logged"], row["last step"]) == ("gram", "2", "20")
    assert Page(save_dir / "sweep_report.html").steps == ["step 10", "step 20"]
    assert said.count("gram_matrix  embedding  ") == 1
    assert "2 of 2 events have numbers, steps 10 to 20" in said
    assert "3 of 3 events have numbers, steps 10 to 30" in of_former


def test_several_below_a_directory_are_compared(
    sweep: SweepDir, printed: Callable[..., str], page: Callable[..., Page]
) -> None:
    for name in ("lr10", "lr9", "lr9/again"):
        run(sweep.path / name).log(100, 200, metrics={"offdiag_mean": len(name) / 10})

    rows = table_rows(printed())

    assert [(row["job"], row["offdiag_mean"]) for row in rows] == [
        ("lr9", "0.300"),
        ("lr9/again", "0.900"),
        ("lr10", "0.400"),
    ]
    assert page().steps == ["step 100", "step 200"]


def test_beside_jobs_of_hydra_they_are_no_less(
    sweep: SweepDir, printed: Callable[..., str]
) -> None:
    sweep.job("lr=1").log(100)
    run(sweep.path / "plain").log(100)

    rows = table_rows(printed())

    assert [(row["job"], row["lr"]) for row in rows] == [("0", "1"), ("plain", "—")]


def test_one_without_a_readable_event_is_named(
    sweep: SweepDir, printed: Callable[..., str]
) -> None:
    run(sweep.path / "good").log(100)
    run(sweep.path / "bad").line("{")

    out = printed()

    assert "Job bad kept no events. In its events.jsonl there is none that can be read." in out
    assert "1 unreadable line in events.jsonl; kept no events" in out


@pytest.mark.parametrize("command", ["diagnose", "sweep-report"])
@pytest.mark.parametrize(
    ("path", "says"),
    [("empty", "events.jsonl"), ("nowhere", "does not exist"), ("gram/events.jsonl", "is a file")],
)
def test_what_is_no_run_is_said_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, path: str, says: str
) -> None:
    (tmp_path / "empty").mkdir()
    run(tmp_path / "gram").log(1)

    with pytest.raises(SystemExit) as ended:
        main([command, str(tmp_path / path)])

    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert line.startswith(f"gramscope: {tmp_path / path} ")
    assert says in line
