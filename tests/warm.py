"""A Python that has imported torch and Lightning already, and forks for each script it is given.

Importing them is most of the time of a short training.
It runs in the installed environment: before the fork nothing of ours is imported.
Each line of standard input is a request, each line of standard output the exit code of one.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import sys
from pathlib import Path

PRELOADED = (
    "torch",
    "pytorch_lightning",
    "lightning.pytorch",
    "matplotlib.figure",
    "monai.transforms",
    "nilearn.datasets",
    "wandb",
)


def main() -> None:
    """Serve until standard input is closed; in a child, run its script and return."""
    for name in PRELOADED:
        importlib.import_module(name)
    # At the end of each child, Python would go through all that has been imported.
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(*json.loads(line))
            runpy.run_path(sys.argv[0], run_name="__main__")
            return
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _become(
    argv: list[str], cwd: str, env: dict[str, str], timeout_s: int, outputs: list[str]
) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for target, name in enumerate(outputs, start=1):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND), target)
    # Whoever starts the tests in the background has them, and us, ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.alarm(timeout_s)
    sys.argv = argv
    search = [entry for entry in env.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:1] = [str(Path(argv[0]).parent.absolute()), *search]


if __name__ == "__main__":
    main()
