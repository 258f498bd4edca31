"""Files of runs: found, and read whatever is in them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from gramscope.events.earlier import EARLIER
from gramscope.events.files import EVENTS_FILE

__all__ = ["ReportError", "plain", "read_yaml", "search"]

_SHALLOW = 500
"""Levels that the fast loader can go down; of many thousands it crashes."""


def _tolerant(loader: Any) -> Any:
    """A loader for configs, which may hold objects (paths, for instance); none matters here."""
    tolerant: Any = type("_Loader", (loader,), {})
    tolerant.add_multi_constructor("", lambda loader, suffix, node: None)
    return tolerant


_Loader = _tolerant(yaml.SafeLoader)
_FastLoader = _tolerant(getattr(yaml, "CSafeLoader", yaml.SafeLoader))


class ReportError(Exception):
    """There is nothing to report on, or nowhere to write it; the message is for the user."""


def plain(value: object) -> str:
    """Text that no terminal or page takes for anything else: control characters are spelt out."""
    text = str(value)
    if text.isprintable():  # as good as always: a run has many names
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def read_yaml(path: Path) -> Any:
    """The content of a YAML file; interpolations stay as they are written.

    Raises:
        ValueError: If it cannot be read or is not YAML; the message names the file.
    """
    try:
        content = path.read_bytes()
        return yaml.load(content, Loader=_FastLoader if _is_shallow(content) else _Loader)
    except FileNotFoundError:
        raise ValueError(f"{path.name} is missing") from None
    except Exception as error:  # whatever a damaged file leads to
        raise ValueError(f"{path.name} is unreadable") from error


def _is_shallow(content: bytes) -> bool:
    """Whether it surely is: each level takes a bracket, or a column."""
    brackets = content.count(b"[") + content.count(b"{")
    return max(brackets, *map(len, content.splitlines()), 0) < _SHALLOW


def search(directory: Path, of: str) -> tuple[list[Path], list[Path], list[str]]:
    """The Hydra jobs and the accounts of events below a directory, and what cannot be read there.

    Args:
        directory: Where to look.
        of: What it is to be the directory of, for the message.

    Raises:
        ReportError: If it is no directory.
    """
    _require_directory(directory, of)
    places, events_files = [], []
    unreadable: list[str] = []

    def note(error: OSError) -> None:
        unreadable.append(f"{plain(error.filename)} cannot be read ({error.strerror})")

    for parent, directories, files in os.walk(directory, onerror=note):
        here = Path(parent)
        try:
            if ".hydra" in directories and (here / ".hydra" / "overrides.yaml").is_file():
                places.append(here)
        except OSError as error:  # then it is a run of which no setting is known
            note(error)
        if EVENTS_FILE in files:
            events_files.append(here / EVENTS_FILE)
        # Launchers keep their own copies of jobs in hidden directories (.submitit).
        passed = {EARLIER} if EVENTS_FILE in files else set()
        directories[:] = sorted(d for d in directories if not d.startswith(".") and d not in passed)
    return places, events_files, unreadable


def _require_directory(directory: Path, of: str) -> None:
    try:
        if not directory.exists():
            raise ReportError(f"{directory} does not exist")
        if not directory.is_dir():
            raise ReportError(f"{directory} is a file; give the directory of {of}")
        os.scandir(directory).close()
    except OSError as error:
        raise ReportError(f"{directory} cannot be read ({error.strerror})") from None
