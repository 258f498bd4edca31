"""Starts a Hydra application; prints what it asked to import, found or not, once a name."""

import runpy
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

asked: set[str] = set()


class _Recorder(MetaPathFinder):
    def find_spec(self, name: str, *_: object) -> None:
        asked.add(name.partition(".")[0])


if __name__ == "__main__":
    sys.meta_path.insert(0, _Recorder())
    try:
        runpy.run_path(str(Path(__file__).with_name("_startup_app.py")), run_name="__main__")
    finally:
        print(*sorted(asked))
