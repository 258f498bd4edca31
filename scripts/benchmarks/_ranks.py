"""Runs a function in real processes that form one job, and brings back what each measured."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import torch
from torch import multiprocessing
from torch.distributed.elastic.utils.distributed import get_free_port


def launch(function: Callable[..., Any], *arguments: Any, processes: int) -> list[Any]:
    """Call a function once on each rank, and return what each call returned.

    What one of them raises is raised, and the others are ended.
    """
    job = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(get_free_port()),
        "WORLD_SIZE": str(processes),
        "NODE_RANK": "0",
        "OMP_NUM_THREADS": "1",
    }
    with TemporaryDirectory(prefix="gramscope-bench-") as name, mock.patch.dict(os.environ, job):
        multiprocessing.spawn(_call, (Path(name), function, arguments), processes)
        return [json.loads(Path(name, str(rank)).read_text()) for rank in range(processes)]


def _call(rank: int, directory: Path, function: Callable[..., Any], arguments: Any) -> None:
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank))
    torch.set_num_threads(1)
    (directory / str(rank)).write_text(json.dumps(function(*arguments)))
