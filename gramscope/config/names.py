"""What several callbacks of one trainer are called in its loggers, so that they are told apart."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from gramscope.config.callbacks import MonitorConfig

__all__ = ["Names", "clashes", "names", "same"]


class Names(NamedTuple):
    """Of one callback."""

    log_key: str
    """Logger key of the heatmap."""
    prefix: str
    """Of the logger keys of the numbers."""


def names(configs: Sequence[MonitorConfig]) -> list[Names]:
    """The names of all callbacks of a trainer, from their settings."""
    shared = Counter(c.log_key for c in configs)
    keys = [c.log_key + f"/{c.title}" * (shared[c.log_key] > 1) for c in configs]
    return [Names(*pair) for pair in zip(_numbered(keys), _prefixes(configs), strict=True)]


def _prefixes(configs: Sequence[MonitorConfig]) -> list[str]:
    """Of numbers; those of several features are told apart by role from those of a single one."""
    single = [c for c in configs if _is_single(c)]
    named = ["representation" + f"/{c.title}" * (len(single) > 1) for c in single]
    of_single = iter(_numbered(named))
    of_several = iter(_numbered(["representation"] * (len(configs) - len(single))))
    return [next(of_single if _is_single(c) else of_several) for c in configs]


def clashes(configs: Sequence[MonitorConfig]) -> list[list[int]]:
    """Groups of a trainer's callbacks, as positions, that only a number could tell apart."""
    alike: dict[tuple[str, str], list[int]] = defaultdict(list)
    for position, config in enumerate(configs):
        alike[config.log_key, config.title].append(position)
    return [positions for positions in alike.values() if len(positions) > 1]


def same(one: MonitorConfig, other: MonitorConfig) -> bool:
    """Whether what `one` asks for is watched by `other`, however often and with how many rows."""
    return one.watched == other.watched and one.module in (None, other.module)


def _is_single(config: MonitorConfig) -> bool:
    return "" in config.watched


def _numbered(given: list[str]) -> list[str]:
    """``a, a, b`` becomes ``a, a.2, b``."""
    seen: Counter[str] = Counter()
    result = []
    for name in given:
        seen[name] += 1
        result.append(name if seen[name] == 1 else f"{name}.{seen[name]}")
    return result
