"""Where reports are printed, whatever it can show."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

__all__ = ["NOT_A_TERMINAL", "terminal"]

NOT_A_TERMINAL = 10_000  # columns: a line that wraps is lost on grep


@contextmanager
def terminal() -> Iterator[Console]:
    """A console whose lines go to stdout when all are there, without blanks at their ends."""
    console = Console(width=None if sys.stdout.isatty() else NOT_A_TERMINAL)
    with console.capture() as captured:
        yield console
    # A terminal that knows only ASCII gets question marks rather than an error.
    encoding = sys.stdout.encoding or "utf-8"
    text = "\n".join(line.rstrip() for line in captured.get().splitlines())
    sys.stdout.write(f"{text}\n".encode(encoding, "replace").decode(encoding))
