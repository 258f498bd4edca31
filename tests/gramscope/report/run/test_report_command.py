"""`gramscope report`: what it reads, what it says of the rest, and how it follows a run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gramscope.cli import main
from gramscope.events.files import EVENTS_FILE
from tests.browser import needs_browser
from tests.gramscope.report.reading import Page
from tests.gramscope.report.sweep_dir import JobDir, SweepDir

ROOT = Path(__file__).parents[4]


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["report", *map(str, arguments)])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("gramscope: ")
    assert said.count("\n") == 1
    return said


class TestBadInput:
    """One clear line, or a page of what could be read that lists what could not."""

    def test_a_directory_without_events(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert "no event to show" in refusal(capsys, tmp_path)
        assert "does not exist" in refusal(capsys, tmp_path / "nowhere")

    def test_a_page_that_cannot_be_written(
        self, sweep: SweepDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        job = sweep.job().log(1)

        assert "is a directory" in refusal(capsys, job.path, "-o", tmp_path)
        (tmp_path / "file").touch()
        assert "cannot be written" in refusal(capsys, job.path, "-o", tmp_path / "file" / "x")

    @pytest.mark.parametrize("seconds", ["0", "soon"])
    def test_an_impossible_pace(
        self, seconds: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit):
            main(["report", str(tmp_path), "--watch", seconds])
        assert f"a number of seconds from 0.1, but got '{seconds}'" in capsys.readouterr().err

    def test_what_is_damaged_is_listed_beside_what_is_not(
        self,
        sweep: SweepDir,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(sweep.path.parent)
        job = sweep.job().log(10, 20, 30)
        job.npz(20).write_bytes(b"PK no archive")
        job.line('{"step": 40, "log_key": "gram_matrix", "feat')
        sweep.job().line("")
        main(["report", str(sweep.path), str(sweep.path / "nowhere")])
        said = capsys.readouterr()
        page = Page(Path("report.html"))

        assert "nowhere does not exist" in said.err
        assert "step 20: unreadable picture data" in page.text
        assert "1 unreadable line in events.jsonl" in page.text
        assert "kept no events" in page.text

    def test_files_of_an_older_version(self, sweep: SweepDir) -> None:
        job = sweep.job().log(10)
        old = {"step": 20, "log_key": "gram_matrix", "feature_key": "teacher_cls_token"}
        job.line(
            str({**old, "metrics": {"offdiag_mean": 0.5}, "status": "logged"}).replace("'", '"')
        )
        main(["report", str(job.path)])

        page = Page(job.path / "report.html")
        assert "0.500" in page.text
        assert "steps 10 to 20 warming up" in page.text

    def test_of_very_many_runs_some_are_shown(self, sweep: SweepDir, tmp_path: Path) -> None:
        for number in range(30):
            sweep.job(subdir=f"run{number:02}").measure(10, offdiag_mean=0.5)
        output = tmp_path / "page.html"
        main(["report", str(sweep.path), "-o", str(output)])

        page = Page(output)
        assert "24 runs side by side" in page.text
        assert "the first 24 runs with events; 6 directories after them" in page.text


def started(*arguments: object, cwd: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "gramscope.cli", "report", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdout=-1,
        stderr=-1,
        text=True,
        # A shell has what it starts in the background ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@needs_browser
def test_a_watched_page_follows_the_run(tmp_path: Path, chromium: Any) -> None:
    run, page = tmp_path / "run", tmp_path / "page.html"
    process = started(run, "-o", page, "--watch", "1", cwd=tmp_path)
    try:
        JobDir(run).log(10)  # after it has begun to wait
        assert "page  " in process.stdout.readline()
        while not page.exists():
            assert process.poll() is None
            time.sleep(0.1)
        opened = chromium.new_page()
        opened.goto(page.as_uri())
        opened.wait_for_selector("#step:has-text('10')", state="attached")
        JobDir(run).log(20)
        opened.wait_for_selector("#step:has-text('20')", state="attached", timeout=60_000)
        opened.close()
    finally:
        process.send_signal(signal.SIGINT)
        said, complaints = process.communicate(timeout=60)

    assert process.returncode == 0, complaints
    assert complaints == ""
    assert said == ""
    assert 'id="refresh"' not in page.read_text()  # what stays does not load itself again


def test_a_page_says_how_much_of_a_long_run_it_holds(sweep: SweepDir) -> None:
    job = sweep.job()
    job.measure(*range(1, 3001), offdiag_mean=0.5)
    job.measure(1500, offdiag_mean=0.9)
    main(["report", str(job.path)])

    html = (job.path / "report.html").read_text()
    assert "0.900 at 1500" in re.sub(r"\s+", " ", html)
    assert "extremes of 500 stretches" in html
    assert (job.gram_dir / EVENTS_FILE).stat().st_size > len(html)
