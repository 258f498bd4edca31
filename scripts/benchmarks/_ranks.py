"""Starts real processes that form one job, and brings back what each measured."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

__all__ = ["Rank", "launch"]


class Rank:
    """This process' place in a job that `launch` started."""

    def __init__(self) -> None:
        plan_file = Path(sys.argv[1])
        self.plan: dict[str, Any] = json.loads(plan_file.read_text())
        self.rank = int(os.environ["RANK"])
        self.world_size = int(os.environ["WORLD_SIZE"])
        self.directory = plan_file.parent

    def report(self, measured: dict[str, Any]) -> None:
        """Leave what was measured for the launcher.

        Args:
            measured: JSON can hold it.
        """
        (self.directory / f"rank{self.rank}.json").write_text(json.dumps(measured))


def launch(
    script: str, plan: dict[str, Any], world_size: int, timeout_s: float = 600.0
) -> list[dict[str, Any]]:
    """Run a script beside this one, once for each rank.

    Args:
        script: Its file name; it makes a `Rank` and calls its `report`.
        plan: What all ranks are told.
        world_size: Number of ranks.
        timeout_s: How long all of it may take.

    Returns:
        What each rank reported.

    Raises:
        RuntimeError: If a rank failed or took too long.
    """
    with TemporaryDirectory(prefix="gramscope-bench-") as name:
        directory = Path(name)
        (directory / "plan.json").write_text(json.dumps(plan))
        port = _free_port()
        ranks = [_start(script, rank, world_size, port, directory) for rank in range(world_size)]
        _wait(ranks, time.monotonic() + timeout_s)
        for rank, process in enumerate(ranks):
            if process.returncode:
                said = (directory / f"rank{rank}.out").read_text()
                raise RuntimeError(
                    f"{script}: rank {rank} ended with {process.returncode}:\n{said}"
                )
        return [json.loads((directory / f"rank{r}.json").read_text()) for r in range(world_size)]


def _start(
    script: str, rank: int, world_size: int, port: int, directory: Path
) -> subprocess.Popen[bytes]:
    env = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "NODE_RANK": "0",
        "WORLD_SIZE": str(world_size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    with (directory / f"rank{rank}.out").open("w") as out:
        return subprocess.Popen(
            [sys.executable, Path(__file__).with_name(script), directory / "plan.json"],
            env=env,
            cwd=directory,
            stdout=out,
            stderr=subprocess.STDOUT,
        )


def _wait(processes: list[subprocess.Popen[bytes]], deadline: float) -> None:
    """Until all have ended; once one has failed, the others get seconds."""
    try:
        while any(process.poll() is None for process in processes):
            if any(process.returncode for process in processes):
                deadline = min(deadline, time.monotonic() + 5.0)
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])
