"""Which steps all jobs are compared at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

__all__ = ["Choice", "choose_steps"]

# Columns below which steps that fewer rows logged are taken in.
_ENOUGH = 3


@dataclass(frozen=True)
class Choice:
    """The steps to show, in order."""

    steps: tuple[int, ...]
    """Empty if no two rows share a step: then each row's last is shown."""
    how: str
    """Sentences on what is shown and how it was chosen."""


def choose_steps(logged: Sequence[Collection[int]], columns: int) -> Choice:
    """The steps at which rows can be compared.

    Of the steps that at least half of the rows logged (two rows at least), those are preferred
    that no row which was still running lacks: of rows that log every 10 and every 100 steps, the
    hundreds.

    Args:
        logged: The logged steps of each row; rows without any do not count.
        columns: How many steps to choose at most, at least 1.
    """
    rows = [frozenset(steps) for steps in logged if steps]
    if not rows:
        return Choice((), "No row has a picture.")
    count = Counter(step for steps in rows for step in steps)
    most = max(count.values())
    if most == 1 < len(rows):
        return Choice(
            (),
            "No step was kept by two rows: each row shows its last, "
            "so these pictures are not at equal steps.",
        )
    # Half of the rows where there is such a step, else as many as share one.
    least = min(most, max(2, (len(rows) + 1) // 2))
    shared = sorted(step for step, n in count.items() if n >= least)
    pool = _preferred(shared, count, rows, min(columns, _ENOUGH, len(shared)))
    chosen = _spread(pool, columns)
    return Choice(tuple(chosen), _how(chosen, pool, min(count[s] for s in pool), len(rows)))


def _preferred(
    shared: list[int], count: Counter[int], rows: list[frozenset[int]], enough: int
) -> list[int]:
    ends = [max(steps) for steps in rows]
    lacking = {step: sum(end >= step for end in ends) - count[step] for step in shared}
    for allowed in sorted(set(lacking.values())):
        pool = [step for step in shared if lacking[step] <= allowed]
        if len(pool) >= enough:
            break
    return pool


def _spread(pool: list[int], columns: int) -> list[int]:
    if len(pool) <= columns:
        return pool
    if columns == 1:
        return pool[-1:]
    first, last = pool[0], pool[-1]
    targets = [first + (last - first) * i / (columns - 1) for i in range(columns)]
    chosen = {min(pool, key=lambda step: abs(step - target)) for target in targets}
    while len(chosen) < columns:  # the pool has gaps: fill where most is missing
        chosen.add(max(pool, key=lambda step: min(abs(step - c) for c in chosen)))
    return sorted(chosen)


def _how(chosen: list[int], pool: list[int], least: int, rows: int) -> str:
    if rows == 1:
        who = "the one row that has pictures"
    elif least == rows:
        who = f"all {rows} rows that have pictures"
    else:
        who = f"at least {least} of the {rows} rows that have pictures"
    if len(pool) == 1:
        return f"Shown is step {pool[0]}, the only one kept by {who}."
    which = f"steps kept by {who} (from {pool[0]} to {pool[-1]})"
    if len(chosen) == len(pool):
        return f"Each column is one optimizer step. These are all {len(pool)} {which}."
    if len(chosen) == 1:
        return f"Shown is the last of {len(pool)} {which}."
    between = ", the first, the last and others spread evenly between" if len(chosen) > 2 else ""
    return (
        f"Each column is one optimizer step. These are {len(chosen)} of the {len(pool)} "
        f"{which}{between or ', the first and the last'}."
    )
