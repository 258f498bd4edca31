"""Anybody's names made fit for a picture."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

__all__ = ["LONGEST", "plain", "told_apart"]

LONGEST = 12


def plain(name: object, longest: int = LONGEST) -> str:
    """At most so many characters of one line, from the name's beginning and its end."""
    line = " ".join(str(name).split())
    shown = "".join(c for c in line if unicodedata.category(c)[0] != "C") or "?"
    if len(shown) <= longest:
        return shown
    head = (longest - 1) // 2
    return f"{shown[:head]}…{shown[head + 1 - longest :]}"


def told_apart(names: Sequence[str]) -> list[str]:
    """All of them `plain`; where they are too long, without the path and ending they share."""
    if len(set(names)) < 2 or max(map(len, names)) <= LONGEST:
        return [plain(name) for name in names]
    start = _shared(names)
    end = _shared([name[start:][::-1] for name in names])
    before, after = "…" * bool(start), "…" * bool(end)
    return [plain(f"{before}{name[start : len(name) - end]}{after}") for name in names]


def _shared(names: Sequence[str]) -> int:
    """Characters at the beginning; not half a number: of 00012 and 00013 all digits are shown."""
    first, last = min(names), max(names)  # what these have in common, all between them have
    most = min(len(first), len(last))
    count = next((i for i in range(most) if first[i] != last[i]), most)
    return len(first[:count].rstrip("0123456789"))
