"""Prints what each fault left of a run, as a Markdown table.

python -m tests.distributed.fault_table [world sizes]
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from tests.distributed.faults import FAULTS
from tests.distributed.launch import run
from tests.support import events

SCRIPT = Path(__file__).with_name("faults.py")
ON_ROOT_ONLY = {"renderer_killed", "full_disk", "read_only_directory", "failing_logger"}


def strikes(world_size: int) -> list[tuple[str, int]]:
    """Every fault that a process group survives, on the first and on the last rank."""
    return [
        (fault, rank)
        for fault in FAULTS
        if fault != "rank_killed"
        for rank in ((0,) if fault in ON_ROOT_ONLY else (0, world_size - 1))
    ]


def survived(world_size: int, directory: Path) -> list[list[str]]:
    """A row for each fault after which training went on."""
    codes = run(SCRIPT, {"strikes": strikes(world_size)}, world_size, directory, timeout_s=600)
    reports = json.loads((directory / "rank0.json").read_text())
    return [
        [
            report["fault"],
            f"{report['struck_rank']} of {world_size}",
            f"completes, {report['global_step']} steps" if not any(codes) else str(codes),
            tally(report["outcomes"]),
            remarks(directory / f"{report['fault']}-{report['struck_rank']}"),
            f"{report['seconds']:.1f}",
        ]
        for report in reports
    ]


def killed(world_size: int, rank: int, directory: Path) -> list[str]:
    """The row of a rank that is killed."""
    codes = run(SCRIPT, {"strikes": [("rank_killed", rank)]}, world_size, directory)
    record = directory / f"rank_killed-{rank}"
    counted = Counter(e["status"] for e in events(record)) if record.is_dir() else {}
    ends = ", ".join(str(code) for r, code in enumerate(codes) if r != rank)
    return [
        "rank_killed",
        f"{rank} of {world_size}",
        f"the others end with their own error, exit code {ends}",
        tally(dict(counted)) or "killed with the root",
        "",
        "",
    ]


def tally(outcomes: dict[str, Any]) -> str:
    return ", ".join(f"{outcome} {n}" for outcome, n in sorted(outcomes.items()))


def remarks(record: Path) -> str:
    if not record.is_dir():
        return "nothing can be written there"
    found = Counter(e["reason"] for e in events(record) if e["reason"])
    return "; ".join(f"{reason} ({n})" for reason, n in found.items())


def main() -> None:
    print("| fault at step 3 of 6 | rank | training | events | remarks (steps) | seconds |")
    print("|---|---|---|---|---|---|")
    for world_size in map(int, sys.argv[1:] or ("2", "4")):
        with tempfile.TemporaryDirectory() as directory:
            rows = survived(world_size, Path(directory))
        for rank in (0, world_size - 1):
            with tempfile.TemporaryDirectory() as directory:
                rows.append(killed(world_size, rank, Path(directory)))
        for row in rows:
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
