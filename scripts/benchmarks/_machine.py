"""What a benchmark ran on, and how busy others kept it meanwhile."""

import os
import platform
import re
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

_PACKAGES = "torch pytorch-lightning matplotlib wandb numpy hydra-core omegaconf"
_CPU = Path("/proc/cpuinfo")


def cores() -> int:
    """Cores that this process may use."""
    may_use = getattr(os, "sched_getaffinity", None)
    return len(may_use(0)) if may_use else os.cpu_count() or 1


def circumstances() -> dict[str, dict[str, Any]]:
    """The machine, and versions of everything whose speed matters here."""
    named = re.search(r"model name\s*: (.+)", _CPU.read_text()) if _CPU.exists() else None
    versions = {name: version(name) for name in _PACKAGES.split()}
    return {
        "machine": {"cpu": named[1] if named else platform.machine(), "cores": cores()},
        "versions": {"python": platform.python_version(), **versions},
    }


def family() -> list[psutil.Process]:
    """This process and all that descend from it."""
    return [psutil.Process(), *psutil.Process().children(recursive=True)]


class Load:
    """CPU time that others used since construction: on a busy machine a benchmark means little."""

    def __init__(self) -> None:
        self._clock, self._others = time.monotonic(), _others_s()

    def others(self) -> float | None:
        """Cores that others kept busy; ``None`` if this process may not use all cores."""
        if psutil.cpu_count() != cores():
            return None
        return max(0.0, _others_s() - self._others) / (time.monotonic() - self._clock)


def _others_s() -> float:
    """CPU time of the whole machine since its start, less ours."""
    whole, ours = psutil.cpu_times(), 0.0
    for process in family():
        try:
            ours += sum(process.cpu_times()[:4])  # of itself, and of its children that have ended
        except psutil.NoSuchProcess:
            continue
    busy = ("user", "nice", "system", "irq", "softirq")
    return sum(getattr(whole, kind, 0.0) for kind in busy) - ours
