"""Which thing of one run stands beside which of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence

from gramscope.report.history import History

__all__ = ["match"]

_Pair = tuple[History, History]


def match(
    a: Sequence[History], b: Sequence[History]
) -> tuple[list[_Pair], list[History], list[History]]:
    """Things of the same name and logger key; of the rest, what alone has its key, or is alone.

    Returns:
        Pairs, and what only the first run has, and what only the second has.
    """
    pairs: list[_Pair] = []
    rest_a, rest_b = [*a], [*b]
    for key in (lambda h: (h.title, h.log_key), lambda h: h.log_key, lambda h: None):
        found = _pairs(rest_a, rest_b, key)
        pairs += found
        rest_a = [h for h in rest_a if all(h is not one for one, _ in found)]
        rest_b = [h for h in rest_b if all(h is not one for _, one in found)]
    return pairs, rest_a, rest_b


def _pairs(
    a: Sequence[History], b: Sequence[History], key: Callable[[History], Hashable]
) -> list[_Pair]:
    """What no other of its run shares the key with."""
    counts_a, counts_b = Counter(map(key, a)), Counter(map(key, b))
    of_key = {key(history): history for history in b}
    return [
        (history, of_key[key(history)])
        for history in a
        if counts_a[key(history)] == counts_b[key(history)] == 1
    ]
