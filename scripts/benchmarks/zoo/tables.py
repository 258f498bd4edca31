"""What verdicts come to: by watcher, by fault, and by name."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from zoo.faults import FAULTS
from zoo.judging import HEALTHY, MARGIN, WATCHERS, Verdict

__all__ = ["by_fault", "by_name", "by_watcher", "judged"]

Row = dict[str, object]


def judged(found: Sequence[Verdict]) -> tuple[list[Verdict], list[str]]:
    """Verdicts of cells in which health can be told, and the names of the others.

    Where a healthy seed ends clearly below random weights, the method is none for that data and
    encoder, and what is below its healthy seeds is not damage.
    """
    poor = sorted({v.cell for v in found if v.healthy and v.learned < -MARGIN})
    return [v for v in found if v.cell not in poor], poor


def by_watcher(found: Sequence[Verdict]) -> list[Row]:
    """Who finds how much of the damage, how early, and cries wolf how often."""
    return [_watcher(name, [v for v in found if name in v.seen]) for name in WATCHERS]


def _watcher(name: str, found: Sequence[Verdict]) -> Row:
    damaged = [v for v in found if v.damage and not v.healthy]
    healthy = [v for v in found if v.healthy]
    return {
        "watcher": name,
        "damaged": len(damaged),
        "found": _count(damaged, lambda v: v.seen[name] is not None),
        "at or before": _count(damaged, lambda v: _lead(v, name) >= 0),
        "healthy": len(healthy),
        "false alarms": sum(v.seen[name] is not None for v in healthy),
    }


def by_fault(found: Sequence[Verdict], watcher: str = "diagnosis") -> list[Row]:
    """How each fault fares."""
    return [
        _fault(name, [v for v in found if v.fault == name], watcher)
        for name in FAULTS
        if any(v.fault == name for v in found)
    ]


def _fault(name: str, found: Sequence[Verdict], watcher: str) -> Row:
    damaged = [v for v in found if v.damage and not v.healthy]
    alarmed = [v for v in found if v.seen[watcher]]
    leads = [_lead(v, watcher) for v in damaged if v.seen[watcher]]
    shares = [100 * _lead(v, watcher) / v.steps for v in damaged if v.seen[watcher]]
    named = _count(alarmed, lambda v: _name(v, watcher) in FAULTS[name].named)
    return {
        "fault": name.replace("_", " "),
        "runs": len(found),
        "damaged": len(damaged),
        "found": _count(damaged, lambda v: v.seen[watcher] is not None),
        "at or before": _count(damaged, lambda v: _lead(v, watcher) >= 0),
        "lead, steps": int(statistics.median(leads)) if leads else None,
        "lead, % of run": round(statistics.median(shares)) if shares else None,
        "alarms without damage": len(alarmed) - sum(bool(v.damage) for v in alarmed),
        "right name": None if name == HEALTHY else named,
    }


def by_name(found: Sequence[Verdict], watcher: str = "diagnosis") -> list[Row]:
    """The confusion matrix: what each fault was first called, how often."""
    called = {name: Counter(_name(v, watcher) for v in found if v.fault == name) for name in FAULTS}
    names = sorted({name for counts in called.values() for name in counts}, key=_order)
    return [
        {"fault": fault.replace("_", " "), **{n.replace("_", " "): counts[n] for n in names}}
        for fault, counts in called.items()
        if counts
    ]


def _order(name: str) -> tuple[bool, str]:
    return name != "no alarm", name


def _name(verdict: Verdict, watcher: str) -> str:
    alarm = verdict.seen[watcher]
    return alarm.name if alarm else "no alarm"


def _lead(verdict: Verdict, watcher: str) -> int:
    """Steps from alarm to damage; very late where there was no alarm."""
    alarm = verdict.seen[watcher]
    assert verdict.damage is not None
    return verdict.damage - alarm.step if alarm else -verdict.steps


def _count(found: Iterable[Verdict], holds: Callable[[Verdict], bool]) -> str:
    said = [holds(v) for v in found]
    return f"{sum(said)} of {len(said)}" if said else "–"
