"""Makes any one of the library's functions fail once, on training's thread or on our own."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import gramscope

ROOT = str(Path(gramscope.__file__).parent)
# The door itself, and what is no function.
LEFT_OUT = ("monitor/boundary.py",)

Function = tuple[str, str]
"""File below the package, and qualified name."""


class PlantedError(RuntimeError):
    """What is raised."""


@contextmanager
def watching(target: Function | None = None, *, ours: bool = False) -> Iterator[list[Function]]:
    """Give the functions of the library that are called; the target's first call fails.

    By this thread, or by threads that are started meanwhile.
    """
    called: dict[Function, None] = {}
    planted: list[Function] = []

    def trace(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(ROOT):
            return
        function = (code.co_filename[len(ROOT) + 1 :], code.co_qualname)
        if function[0] in LEFT_OUT or code.co_name.startswith("<"):
            return
        called[function] = None
        if function == target and not planted:
            planted.append(function)
            raise PlantedError(f"planted in {target}")

    found: list[Function] = []
    set_trace = threading.settrace if ours else sys.settrace
    set_trace(trace)
    try:
        yield found
    finally:
        set_trace(None)  # type: ignore[arg-type]
        found += called
