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


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("--help", 0),
        ("presets", 0),
        ("sweep-report {}", 0),
        ("diagnose {}", 0),
        ("show {}", 0),
        ("diagnose {} --json --fail-on duplicates", 0),
        # Whoever acts on the code may not read.
        ("diagnose {} --fail-on warming_up", 3),
        ("diagnose {} {} {} {} {} {} {} {} {} {} --json --fail-on warming_up", 3),
    ],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_it_ends_quietly_when_nobody_reads_on(
    command: str, code: int, unbuffered: str, tmp_path: Path
) -> None:
    SweepDir(tmp_path).job().log(1)
    reader, pipe = os.pipe()
    os.close(reader)
    arguments = [word.format(tmp_path) for word in command.split()]

    done = subprocess.run(
        [sys.executable, "-m", "gramscope.cli", *arguments],
        stdout=pipe,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        check=False,
    )
    os.close(pipe)

    said = [line.split()[:2] for line in done.stderr.splitlines()]
    assert (done.returncode, said) == (code, [[b"gramscope:", b"--fail-on"]] * len(said))
    assert bool(said) == (code == 3)
    assert (tmp_path / "sweep_report.html").is_file() == command.startswith("sweep-report")
