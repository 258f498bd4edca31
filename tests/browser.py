"""A real browser, the one that is installed on the machine, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["BROWSER", "browser", "needs_browser"]

_NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, _NAMES)), None)
"""Path of an installed Chromium or Chrome; ``None``: there is none."""

needs_browser = pytest.mark.skipif(
    BROWSER is None and not os.environ.get("CI"), reason="no Chromium or Chrome is installed"
)
"""Marks a test that is left out where there is no browser, but on CI fails there."""

_FLAGS = [
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless browser with a profile of its own, which is gone with it."""
    from playwright.sync_api import sync_playwright

    assert BROWSER is not None, "no Chromium or Chrome is installed"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=BROWSER, args=_FLAGS, chromium_sandbox=os.geteuid() != 0
        )
        try:
            yield started
        finally:
            started.close()
