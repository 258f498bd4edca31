"""Files of a sweep: read whatever is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

__all__ = ["ReportError", "plain", "read_yaml"]

# Configs may hold objects (paths, for instance) that a safe loader rejects; none matters here.
_Loader: Any = type("_Loader", (yaml.SafeLoader,), {})
_Loader.add_multi_constructor("", lambda loader, suffix, node: None)


class ReportError(Exception):
    """There is nothing to report on, or nowhere to write it; the message is for the user."""


def plain(value: object) -> str:
    """Text that no terminal or page takes for anything else: control characters are spelt out."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value))


def read_yaml(path: Path) -> Any:
    """The content of a YAML file; interpolations stay as they are written.

    Raises:
        ValueError: If it cannot be read or is not YAML; the message names the file.
    """
    try:
        return yaml.load(path.read_bytes(), Loader=_Loader)
    except FileNotFoundError:
        raise ValueError(f"{path.name} is missing") from None
    except Exception as error:  # whatever a damaged file leads to
        raise ValueError(f"{path.name} is unreadable") from error
