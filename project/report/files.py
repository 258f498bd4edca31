"""Files of a sweep: read whatever is in them, written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

__all__ = ["plain", "read_yaml", "write_atomically"]

# Configs may hold objects (paths, for instance) that a safe loader rejects; none matters here.
_Loader = type("_Loader", (yaml.SafeLoader,), {})
_Loader.add_multi_constructor("", lambda loader, suffix, node: None)  # type: ignore[attr-defined]


def plain(value: object) -> str:
    """The value as text that neither a terminal nor a page can take for anything else.

    Args:
        value: Anything; control characters and undecodable bytes in its text are spelt out.
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value))


def read_yaml(path: Path) -> Any:
    """The content of a YAML file; interpolations stay as they are written.

    Args:
        path: The file.

    Raises:
        ValueError: If it cannot be read or is not YAML; the message names the file.
    """
    try:
        return yaml.load(path.read_bytes(), Loader=_Loader)
    except FileNotFoundError:
        raise ValueError(f"{path.name} is missing") from None
    except Exception as error:  # whatever a damaged file leads to
        raise ValueError(f"{path.name} is unreadable") from error


def write_atomically(path: Path, text: str) -> None:
    """Write a UTF-8 text file that is there whole or not at all.

    Args:
        path: Where; missing directories are made.
        text: What.

    Raises:
        OSError: If it cannot be written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
