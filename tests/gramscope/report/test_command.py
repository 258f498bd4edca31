"""The command `gramscope sweep-report`: what it needs, what it leaves, how it fails."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gramscope.cli import main
from tests.gramscope.report.reading import Page, table_rows
from tests.gramscope.report.sweep_dir import SweepDir

SCRIPT = (
    "import sys; from gramscope.cli import main; main(sys.argv[1:]);"
    "print(*sorted({'torch', 'lightning', 'pytorch_lightning', 'matplotlib.pyplot'}"
    " & set(sys.modules)), file=sys.stderr)"
)


def failure(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command, which must end with code 2, and give its last line."""
    with pytest.raises(SystemExit) as stopped:
        main(["sweep-report", *arguments])
    captured = capsys.readouterr()
    assert stopped.value.code == 2
    assert captured.out == ""
    assert "Traceback" not in captured.err
    return captured.err.splitlines()[-1]


def test_it_prints_the_table_and_where_the_page_is_without_torch(sweep: SweepDir) -> None:
    sweep.job("lr=1").log(100)
    sweep.job("lr=2").log(100)

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "sweep-report", str(sweep.path)],
        capture_output=True,
        text=True,
        check=False,
    )

    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "\n")
    assert lines[0].split()[:2] == ["job", "lr"]
    assert lines[-1] == f"page  {sweep.path / 'sweep_report.html'}"
    assert (sweep.path / "sweep_report.html").is_file()
    assert "\x1b" not in done.stdout


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


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["{}/nowhere"], "gramscope: {}/nowhere does not exist"),
        (["{}/job.yaml"], "gramscope: {}/job.yaml is a file; give the directory of a Hydra"),
        (["x" * 5000], "cannot be read (File name too long)"),
        (["{}/empty"], "expected directories with .hydra/overrides.yaml"),
        (["{}/empty"], "(hydra.output_subdir=null leaves them out)"),
        (["{}/multirun", "--output", "{}"], "{} is a directory; --output takes"),
        (
            ["{}/multirun", "--output", "/proc/page"],
            "gramscope: /proc/page cannot be written (",
        ),
        (["{}/multirun", "--output", "/proc/page"], "choose another place with --output"),
        *(
            (["{}/multirun", f"--steps={n}"], f"expected a whole number from 1, but got '{n}'")
            for n in ("0", "-1", "many", "1.5")
        ),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    sweep: SweepDir,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    expected: str,
) -> None:
    sweep.job().log(100)
    (tmp_path / "empty").mkdir()
    (tmp_path / "job.yaml").touch()

    message = failure(capsys, *(argument.format(tmp_path) for argument in arguments))

    assert expected.format(tmp_path) in message


def test_a_page_that_cannot_be_finished_leaves_the_old_one(
    sweep: SweepDir, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep.job().log(100)
    page = sweep.path / "sweep_report.html"
    page.write_text("old")
    before = sorted(sweep.path.iterdir())

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)

    assert "cannot be written (No space left on device)" in failure(capsys, str(sweep.path))
    assert page.read_text() == "old"
    assert sorted(sweep.path.iterdir()) == before
