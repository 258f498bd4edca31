"""What is made once for all tests of a session, whichever process of pytest asks for it first."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

__all__ = ["once"]


def once(base: Path, name: str, make: Callable[[Path], None]) -> Path:
    """Return a directory that has been filled, and fill it if it has not.

    Args:
        base: The session's temporary directory, `tmp_path_factory.getbasetemp()`.
        name: Of the directory.
        make: Fills the empty directory. If it raises, the next who asks tries again.
    """
    # Each process of pytest-xdist has a directory of its own below the session's.
    directory = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared" / name
    directory.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{directory}.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.fstat(lock.fileno()).st_size:
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
            make(directory)
            lock.write("made")
    return directory
