"""What every test of the report gets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gramscope.cli import main
from tests.gramscope.report.reading import Page
from tests.gramscope.report.sweep_dir import SweepDir


@pytest.fixture
def sweep(tmp_path: Path) -> SweepDir:
    """An empty multirun directory."""
    path = tmp_path / "multirun"
    path.mkdir()
    return SweepDir(path)


@pytest.fixture
def printed(sweep: SweepDir, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the command on the sweep and gives what it prints."""

    def run(*arguments: str) -> str:
        main(["sweep-report", str(sweep.path), *arguments])
        return capsys.readouterr().out

    return run


@pytest.fixture
def page(sweep: SweepDir, printed: Callable[..., str]) -> Callable[..., Page]:
    """Runs the command on the sweep and gives the page."""

    def run(*arguments: str) -> Page:
        printed(*arguments)
        return Page(sweep.path / "sweep_report.html")

    return run
