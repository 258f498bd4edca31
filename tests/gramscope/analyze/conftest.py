"""The command, run in this process, in an empty directory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gramscope.cli import main

Said = Callable[..., dict[str, Any]]
Refused = Callable[..., str]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """What the command says as JSON."""

    def run(*arguments: object) -> dict[str, Any]:
        main(["analyze", *map(str, arguments), "--json"])
        said: dict[str, Any] = json.loads(capsys.readouterr().out)
        return said

    return run


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """The one line that the command ends with."""

    def run(*arguments: object) -> str:
        with pytest.raises(SystemExit) as stopped:
            main(["analyze", *map(str, arguments)])
        captured = capsys.readouterr()
        assert stopped.value.code == 2
        assert captured.out == ""
        (line,) = captured.err.splitlines()
        return line

    return run
