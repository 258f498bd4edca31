"""A real terminal: one of tmux, as it is installed on the machine."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["Terminal", "needs_terminal", "terminal"]

_TMUX = shutil.which("tmux")
_PATIENCE_S = 60

needs_terminal = pytest.mark.skipif(
    _TMUX is None and not os.environ.get("CI"), reason="tmux is not installed"
)
"""Marks a test that is left out where there is no tmux, but on CI fails there."""


class Terminal:
    """A window that runs one command of ours, and says its exit code at the end."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def start(self, *arguments: str, width: int, height: int, **environment: str) -> None:
        """Run `gramscope` there."""
        command = shlex.join([sys.executable, "-m", "gramscope.cli", *arguments])
        clean = ["env", "-u", "NO_COLOR", "-u", "COLUMNS", "-u", "LINES", "-u", "FORCE_COLOR"]
        variables = {"LC_ALL": "C.UTF-8", "COLORTERM": "truecolor", **environment}
        clean += [f"{name}={value}" for name, value in variables.items()]
        size = ["-x", str(width), "-y", str(height)]
        # The window stays for whoever looks at it.
        shell = f"{shlex.join(clean)} {command}; echo exit code $?; exec sleep 600"
        self._tmux("-f", os.devnull, "-u", "new-session", "-d", *size, shell)

    def screen(self, *, colours: bool = False, above: int = 0) -> str:
        """What is on it, without blanks at the ends of lines.

        Args:
            colours: Whether with the escape sequences of colours.
            above: How many lines that have left it upwards are in it, too.
        """
        escapes = ["-e"] if colours else []
        shown = self._tmux("capture-pane", "-p", *escapes, "-S", str(-above))
        return "\n".join(line.rstrip() for line in shown.rstrip().split("\n"))

    def until(self, *texts: str, colours: bool = False) -> str:
        """What is on it once all of some texts are."""
        deadline = time.monotonic() + _PATIENCE_S
        while not all(text in self._read() for text in texts):
            assert time.monotonic() < deadline, f"{texts} not in:\n{self.screen()}"
            time.sleep(0.1)
        return self.screen(colours=colours)

    def _read(self) -> str:
        """The screen, and what it says where lines are too short for it."""
        return f"{(screen := self.screen())} {' '.join(screen.split())}"

    def resize(self, width: int, height: int) -> None:
        """Have another size."""
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def press(self, key: str) -> None:
        """Press a key, which `C-c` is."""
        self._tmux("send-keys", key)

    def close(self) -> None:
        """End what runs in it."""
        self._tmux("kill-server", check=False)

    def _tmux(self, *arguments: str, check: bool = True) -> str:
        assert _TMUX is not None, "tmux is not installed"
        command = [_TMUX, "-S", str(self._socket), *arguments]
        done = subprocess.run(command, check=check, capture_output=True, text=True, timeout=60)
        return done.stdout


@contextmanager
def terminal(*arguments: str, width: int, height: int, **environment: str) -> Iterator[Terminal]:
    """`gramscope` with some arguments, in a terminal of so many columns and lines."""
    # The path of a socket may not be long.
    with tempfile.TemporaryDirectory() as directory:
        started = Terminal(Path(directory) / "tmux")
        started.start(*arguments, width=width, height=height, **environment)
        try:
            yield started
        finally:
            started.close()
