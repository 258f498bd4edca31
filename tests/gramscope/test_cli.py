"""The console script `gramscope`, whatever the command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gramscope.cli import main
from tests.gramscope.report.sweep_dir import SweepDir


def test_no_command_shows_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([])

    assert stopped.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_what_a_command_needs_is_loaded_when_it_is_called() -> None:
    heavy = {"hydra", "jinja2", "numpy", "torch"}
    script = f"import sys, gramscope.cli; print(sorted({heavy} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)

    assert done.stdout == b"[]\n"


@pytest.mark.parametrize("command", ["--help", "presets", "sweep-report"])
def test_it_ends_quietly_when_nobody_reads_on(command: str, tmp_path: Path) -> None:
    SweepDir(tmp_path).job().log(1)
    reader, pipe = os.pipe()
    os.close(reader)
    arguments = [command, str(tmp_path)] if command == "sweep-report" else [command]

    done = subprocess.run(
        [sys.executable, "-m", "gramscope.cli", *arguments],
        stdout=pipe,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(pipe)

    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "sweep_report.html").is_file() == (command == "sweep-report")
