"""The command `gramscope sweep-report`: what it needs, what it leaves, how it fails."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gramscope.cli import main
from gramscope.events.files import write_atomically
from tests.gramscope.report.reading import Page, table_rows
from tests.gramscope.report.sweep_dir import SweepDir

SCRIPT = (
    "import sys; from gramscope.cli import main; main(sys.argv[1:]);"
    "print(*sorted({'torch', 'lightning', 'pytorch_lightning', 'matplotlib.pyplot'}"
    " & set(sys.modules)), file=sys.stderr)"
)

PIPED = '"$0" -m gramscope.cli sweep-report "$1" | head -n 1'


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command, which must end with code 2, and give its last line."""
    with pytest.raises(SystemExit) as stopped:
        main(["sweep-report", *arguments])
    captured = capsys.readouterr()
    assert stopped.value.code == 2
    assert captured.out == ""
    assert "Traceback" not in captured.err
    return captured.err.splitlines()[-1]


def test_it_prints_the_table_and_then_where_the_page_is(
    sweep: SweepDir, printed: Callable[..., str]
) -> None:
    sweep.job("lr=1").log(100)
    sweep.job("lr=2").log(100)

    lines = printed().splitlines()

    assert lines[0].split()[:2] == ["job", "lr"]
    assert lines[-1] == f"page  {sweep.path / 'sweep_report.html'}"
    assert (sweep.path / "sweep_report.html").is_file()


def test_it_runs_as_a_process_without_torch(sweep: SweepDir) -> None:
    sweep.job("lr=1").log(100)

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "sweep-report", str(sweep.path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "\n")
    assert "page  " in done.stdout
    assert "\x1b" not in done.stdout


def test_a_closed_pipe_is_no_error(sweep: SweepDir) -> None:
    for lr in range(60):  # more than a pipe holds
        sweep.job(f"lr={lr}", f"note={'x' * 2000}{lr}").log(1)

    done = subprocess.run(
        ["bash", "-c", PIPED, sys.executable, sweep.path],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert done.stdout.startswith("job")
    assert (sweep.path / "sweep_report.html").is_file()


def test_a_single_run_is_a_sweep_of_one(sweep: SweepDir, printed: Callable[..., str]) -> None:
    sweep.job("lr=1", subdir=".", numbered=False).log(100)

    out = printed()

    (row,) = table_rows(out)
    assert row["job"] == "multirun"
    assert "settings  lr=1" in out


def test_the_page_goes_where_it_is_told(
    sweep: SweepDir, printed: Callable[..., str], tmp_path: Path
) -> None:
    sweep.job().log(100)

    out = printed("--output", str(tmp_path / "new" / "page.html"))

    assert out.endswith(f"page  {tmp_path / 'new' / 'page.html'}\n")
    assert Page(tmp_path / "new" / "page.html").steps == ["step 100"]
    assert not (sweep.path / "sweep_report.html").exists()


class TestFailures:
    def test_no_such_directory(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        place = tmp_path / "nowhere"

        assert failure(capsys, str(place)) == f"gramscope: {place} does not exist"

    def test_a_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        place = tmp_path / "multirun.yaml"
        place.write_text("")

        assert f"gramscope: {place} is a file" in failure(capsys, str(place))

    def test_a_name_that_no_file_can_have(self, capsys: pytest.CaptureFixture[str]) -> None:
        message = failure(capsys, "x" * 5000)

        assert message.endswith("cannot be read (File name too long)")

    def test_no_job(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        message = failure(capsys, str(tmp_path))

        assert ".hydra/overrides.yaml" in message
        assert "hydra.output_subdir=null" in message

    @pytest.mark.parametrize("steps", ["0", "-1", "many", "1.5"])
    def test_no_number_of_steps(
        self, sweep: SweepDir, capsys: pytest.CaptureFixture[str], steps: str
    ) -> None:
        message = failure(capsys, str(sweep.path), f"--steps={steps}")

        assert f"expected a whole number from 1, but got '{steps}'" in message

    def test_the_output_is_a_directory(
        self, sweep: SweepDir, capsys: pytest.CaptureFixture[str]
    ) -> None:
        sweep.job().log(100)

        message = failure(capsys, str(sweep.path), "--output", str(sweep.path))

        assert "is a directory" in message

    def test_the_output_cannot_be_written(
        self, sweep: SweepDir, capsys: pytest.CaptureFixture[str]
    ) -> None:
        sweep.job().log(100)

        message = failure(capsys, str(sweep.path), "--output", "/proc/page.html")

        assert message.startswith("gramscope: /proc/page.html cannot be written (")
        assert "--output" in message


def test_a_page_that_cannot_be_finished_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.html"
    page.write_text("old")

    def full(self: Path, target: Path) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(page, b"new")
    monkeypatch.undo()

    assert page.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
