"""Starts real processes that form one process group, forked from one that has imported torch.

Importing is nine tenths of the time of a short job.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def run(
    script: Path, plan: dict[str, Any], world_size: int, directory: Path, timeout_s: float = 120.0
) -> list[int]:
    """Run ``script`` once for each rank and give their exit codes; -9 for one out of time."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "plan.json").write_text(json.dumps(plan))
    job = {
        "script": str(script),
        "directory": str(directory),
        "timeout_s": timeout_s,
        "variables": {
            "WORLD_SIZE": str(world_size),
            "NODE_RANK": "0",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(_free_port()),
        },
    }
    server = _server()
    assert server.stdin is not None and server.stdout is not None
    server.stdin.write(json.dumps(job) + "\n")
    server.stdin.flush()
    return list(json.loads(server.stdout.readline()))


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@functools.cache
def _server() -> subprocess.Popen[str]:
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.distributed.launch"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    atexit.register(server.kill)
    return server


def _serve() -> Path | None:
    """Run jobs until there are no more; in a forked rank, what it is to run."""
    for line in sys.stdin:
        job = json.loads(line)
        ranks = []
        for rank in range(int(job["variables"]["WORLD_SIZE"])):
            pid = os.fork()
            if not pid:
                return _become(rank, job)
            ranks.append(pid)
        sys.stdout.write(json.dumps(_wait(ranks, job["timeout_s"])) + "\n")
        sys.stdout.flush()
    return None


def _become(rank: int, job: dict[str, Any]) -> Path:
    directory = Path(job["directory"])
    os.environ.update(job["variables"], RANK=str(rank), LOCAL_RANK=str(rank))
    os.chdir(directory)
    out = os.open(directory / f"rank{rank}.out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(out, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = [job["script"], str(directory / "plan.json")]
    return Path(job["script"])


def _wait(ranks: list[int], timeout_s: float) -> list[int]:
    codes: dict[int, int] = {}
    deadline = time.monotonic() + timeout_s
    while len(codes) < len(ranks):
        for pid in set(ranks) - codes.keys():
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                codes[pid] = os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    return [codes[pid] for pid in ranks]


if __name__ == "__main__":
    import pytorch_lightning  # noqa: F401
    import torch.distributed.fsdp  # noqa: F401

    import gramscope.callbacks  # noqa: F401
    import tests.support  # noqa: F401

    if (script := _serve()) is not None:
        runpy.run_path(str(script), run_name="__main__")
