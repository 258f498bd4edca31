"""Brings something back from a process that trains to the one that started it."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import shutil
import tempfile
from multiprocessing.context import get_spawning_popen
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from gramscope.events.files import write_atomically

__all__ = ["Parcel"]


class Parcel:
    """A text that processes started by its owner leave for it: the owner is who makes it.

    It lies in a file, which is there also after a process that failed, below the directory for
    temporary files until the owner reads it or ends.
    """

    def __init__(self, name: str = "", owner: int = 0) -> None:
        self._name = name or f"gramscope-{secrets.token_hex(8)}"
        self._owner = owner or os.getpid()
        if not name:
            # The priority: after the processes that this one waits for at its end.
            Finalize(self, _remove, (self._name,), exitpriority=-1)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy is one of its own, but for what a process that is being started is given."""
        return Parcel, () if get_spawning_popen() is None else (self._name, self._owner)

    @property
    def is_mine(self) -> bool:
        """Whether this process is the owner."""
        return os.getpid() == self._owner

    def send(self, text: str) -> None:
        """Leave a text instead of the last, if the owner started this process; else do nothing.

        Raises:
            OSError: If it cannot be written.
        """
        parent = multiprocessing.parent_process()
        if parent is not None and parent.pid == self._owner:
            write_atomically(_file(self._name), text.encode())

    def read(self) -> str | None:
        """What was left; once the owner has read it, nothing is."""
        try:
            text = _file(self._name).read_bytes().decode()
        except FileNotFoundError:
            return None
        if self.is_mine:
            _remove(self._name)
        return text


def _file(name: str) -> Path:
    return Path(tempfile.gettempdir(), name, "parcel")


def _remove(name: str) -> None:
    shutil.rmtree(_file(name).parent, ignore_errors=True)
