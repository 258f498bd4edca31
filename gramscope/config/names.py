"""What several callbacks of one trainer are called in its loggers, so that they are told apart."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from gramscope.config.callbacks import MonitorConfig

__all__ = ["Names", "clashes", "names", "same"]


class Names(NamedTuple):
    """Of one callback."""

    title: str
    """What the thing watched is called."""
    log_key: str
    """Logger key of the heatmap."""
    prefix: str
    """Of the logger keys of the numbers."""


def names(configs: Sequence[MonitorConfig]) -> list[Names]:
    """The names of all callbacks of a trainer, from their settings."""
    titles = _numbered(_titles(configs))
    shared = Counter(c.log_key for c in configs)
    keys = [
        c.log_key + f"/{t}" * (shared[c.log_key] > 1) for c, t in zip(configs, titles, strict=True)
    ]
    prefixes = _prefixes(configs, titles)
    return [Names(*each) for each in zip(titles, _numbered(keys), prefixes, strict=True)]


def _titles(configs: Sequence[MonitorConfig]) -> list[str]:
    """With the feature key behind a module's path where several features of it are watched."""
    keys = [", ".join(c.watched.values()) for c in configs]
    of = {(c.title, key) for c, key in zip(configs, keys, strict=True)}
    alike = Counter(title for title, _ in of)
    return [
        f"{c.title}.{key}" if alike[c.title] > 1 and c.name is None and c.module else c.title
        for c, key in zip(configs, keys, strict=True)
    ]


def _prefixes(configs: Sequence[MonitorConfig], titles: Sequence[str]) -> list[str]:
    """Of numbers; those of several features are told apart by role from those of a single one."""
    kinds = Counter(map(_is_single, configs))
    named = [
        f"representation/{title}"
        if kinds[_is_single(c)] > 1 and (_is_single(c) or c.name is not None)
        else "representation"
        for c, title in zip(configs, titles, strict=True)
    ]
    of = {
        kind: iter(_numbered([n for n, c in zip(named, configs, strict=True) if kind(c)]))
        for kind in (_is_single, _is_several)
    }
    return [next(of[_is_single if _is_single(c) else _is_several]) for c in configs]


def clashes(configs: Sequence[MonitorConfig]) -> list[list[int]]:
    """Groups of a trainer's callbacks, as positions, that only a number could tell apart."""
    alike: dict[tuple[str, str], list[int]] = defaultdict(list)
    for position, (config, title) in enumerate(zip(configs, _titles(configs), strict=True)):
        alike[config.log_key, title].append(position)
    return [positions for positions in alike.values() if len(positions) > 1]


def same(one: MonitorConfig, other: MonitorConfig) -> bool:
    """Whether what `one` asks for is watched by `other`, however often and with how many rows."""
    alike = type(one) is type(other) and one.watched == other.watched
    return alike and one.module in (None, other.module)


def _is_single(config: MonitorConfig) -> bool:
    return "" in config.watched


def _is_several(config: MonitorConfig) -> bool:
    return not _is_single(config)


def _numbered(given: list[str]) -> list[str]:
    """``a, a, b`` becomes ``a, a.2, b``."""
    seen: Counter[str] = Counter()
    result = []
    for name in given:
        seen[name] += 1
        result.append(name if seen[name] == 1 else f"{name}.{seen[name]}")
    return result
