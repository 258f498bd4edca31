"""A browser, and the page of a run in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gramscope.cli import main
from tests.browser import browser
from tests.gramscope.report.run.opened import Opened


# Not longer: as long as it is driven, nothing else in the process can run an event loop.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One for all tests of a file."""
    with browser() as started:
        yield started


@pytest.fixture
def opened(chromium: Any, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Runs `gramscope report` and opens what it writes; complains of errors and of requests."""
    contexts = []

    def run(*directories: Path, width: int = 1280, address: str = "", **more: Any) -> Opened:
        page = tmp_path / "page.html"
        main(["report", *map(str, directories), "--output", str(page)])
        context = chromium.new_context(viewport={"width": width, "height": 900}, **more)
        contexts.append(context)
        return Opened(context.new_page(), page.as_uri() + address)

    yield run
    for context in contexts:
        context.close()
