"""Sweeps whose jobs train on several processes.

Lightning starts rank 1 and up by running the command line once more, and leaves the process group
and its environment variables behind for the life of the program.
In a sweep that line would start the whole sweep in every child, and the next job would wait for
the processes of the last.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch.distributed as dist
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import open_dict, read_write

from gramscope.config.instantiate import ConfigError

__all__ = ["processes_of_this_job", "require_processes"]

# What Lightning sets in the process that launches the others.
LAUNCHED = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@contextmanager
def processes_of_this_job() -> Iterator[None]:
    """Keep the processes that are started in this context to one job of a sweep."""
    before = {name: os.environ.get(name) for name in LAUNCHED}
    arguments = sys.argv[:]
    _describe_job()
    try:
        yield
        if dist.is_available() and dist.is_initialized():
            dist.destroy_process_group()
    finally:
        sys.argv[:] = arguments
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def require_processes(trainer: Any) -> None:
    """Refuse to train on several processes where this one can't start the others.

    Args:
        trainer: A Lightning trainer.

    Raises:
        ConfigError: If a launcher of sweeps runs this job in a process of its own, which has no
            command line that could be run again.
    """
    if type(trainer.strategy.launcher).__name__ != "_SubprocessScriptLauncher":
        return
    if not HydraConfig.initialized() or HydraConfig.get().mode is not RunMode.MULTIRUN:
        return
    launcher = HydraConfig.get().launcher["_target_"].rpartition(".")[2]
    if launcher != "BasicLauncher":
        raise ConfigError(
            f"`trainer` asks for {trainer.world_size} processes, which can't be started from jobs "
            f"of {launcher}. Leave out `launch`, and the jobs of the sweep run one after the other."
        )


def _describe_job() -> None:
    """Make the command line that Lightning runs again describe this job alone."""
    if not HydraConfig.initialized() or HydraConfig.get().mode is not RunMode.MULTIRUN:
        return
    hydra: Any = HydraConfig.get()
    config_dirs = [s.path for s in hydra.runtime.config_sources if s.provider == "command-line"]
    sys.argv[1:] = [
        *(f"--config-dir={path}" for path in config_dirs),
        f"--config-name={hydra.job.config_name}",
        *hydra.overrides.task,
        # An experiment may hold the sweep.
        "hydra.mode=RUN",
    ]
    # Lightning adds `hydra.run.dir=…` with this value.
    with read_write(hydra), open_dict(hydra):
        hydra.run.dir = hydra.runtime.output_dir
