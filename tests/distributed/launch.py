"""Starts real processes that form one process group."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def run(
    script: Path, plan: dict[str, Any], world_size: int, directory: Path, timeout_s: float = 120.0
) -> list[int]:
    """Run ``script`` once for each rank and give their exit codes; -9 for one out of time."""
    directory.mkdir(parents=True, exist_ok=True)
    plan_file = directory / "plan.json"
    plan_file.write_text(json.dumps(plan))
    port = free_port()
    processes = []
    for rank in range(world_size):
        env = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "NODE_RANK": "0",
            "WORLD_SIZE": str(world_size),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
        with (directory / f"rank{rank}.out").open("w") as out:
            processes.append(
                subprocess.Popen(
                    [sys.executable, str(script), str(plan_file)],
                    env=env,
                    cwd=directory,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                )
            )
    deadline = time.monotonic() + timeout_s
    try:
        for process in processes:
            process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        pass
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()
    return [process.returncode for process in processes]


def events(save_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (save_dir / "events.jsonl").read_text().splitlines()]
