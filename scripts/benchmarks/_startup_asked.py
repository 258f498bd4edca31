"""Starts a Hydra application; prints what it asked to import, found or not, once a name."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path


class _Recorder:
    """Finds nothing, so that the import goes on as it would."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        self.names.add(name.partition(".")[0])


if __name__ == "__main__":
    recorder = _Recorder()
    sys.meta_path.insert(0, recorder)  # type: ignore[arg-type]
    try:
        runpy.run_path(str(Path(__file__).with_name("_startup_app.py")), run_name="__main__")
    finally:
        print(*sorted(recorder.names))
