"""What a benchmark ran on, and what the kernel says about processes; from ``/proc``, Linux only."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Load", "Memory", "cpu_seconds", "descendants", "machine", "memory", "versions"]

_PACKAGES = ("torch", "pytorch-lightning", "matplotlib", "wandb", "numpy")
_TICKS = os.sysconf("SC_CLK_TCK")


def machine() -> dict[str, Any]:
    """The processor and how much of it there is."""
    return {"cpu": _cpu_model(), "cores": _cores(), "system": platform.system()}


def versions() -> dict[str, str]:
    """Versions of everything whose speed matters here."""
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@dataclass(frozen=True)
class Memory:
    """Memory of some processes together, in bytes."""

    uss: int
    """What would be free again if they ended."""
    pss: int
    """The same, and their share of what they share with others."""


def memory(pids: Sequence[int]) -> Memory:
    """Memory of processes; those that have ended count as nothing.

    Args:
        pids: Their ids.
    """
    uss = pss = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
        uss += 1024 * (kilobytes["Private_Clean"] + kilobytes["Private_Dirty"])
        pss += 1024 * kilobytes["Pss"]
    return Memory(uss, pss)


def descendants(pid: int) -> list[int]:
    """Ids of a process' children, grandchildren and so on that live.

    Args:
        pid: Its id.
    """
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        todo += (new := children.get(todo.pop(), []))
        found += new
    return found


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, all its threads together; 0 if it has ended.

    Args:
        pid: Its id.
    """
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS if fields else 0.0


def _stat(pid: int) -> list[str]:
    """Fields of ``/proc/<pid>/stat`` from the state on, which is the third."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


class Load:
    """CPU time that others used meanwhile: on a busy machine a benchmark means little."""

    def __init__(self) -> None:
        self._start = self._now()

    def others(self) -> float | None:
        """Cores that other processes kept busy since construction; ``None`` if not known."""
        (clock, busy, own), (clock0, busy0, own0) = self._now(), self._start
        if busy is None or busy0 is None or clock <= clock0:
            return None
        return max(0.0, (busy - busy0) - (own - own0)) / (clock - clock0)

    @staticmethod
    def _now() -> tuple[float, float | None, float]:
        own = sum(
            sum(resource.getrusage(who)[:2])
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        ) + sum(map(cpu_seconds, descendants(os.getpid())))
        return os.times().elapsed, _busy_seconds(), own


def _busy_seconds() -> float | None:
    """CPU time that the whole machine has used; ``None`` if this process may not use all of it."""
    try:
        lines = Path("/proc/stat").read_text().splitlines()
    except OSError:
        return None
    cores = sum(line.startswith("cpu") for line in lines) - 1
    if cores != _cores():
        return None
    user, nice, system, _, _, irq, softirq = map(int, lines[0].split()[1:8])
    return (user + nice + system + irq + softirq) / _TICKS
