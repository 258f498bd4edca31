"""One training of the zoo as a Hydra job: ``python run.py run=mnist-pooled-simclr-healthy-0``.

A multirun makes many; what is there already is not made again.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import hydra
import torch
from hydra.core.config_store import ConfigStore

from zoo.job import JOB, train_job
from zoo.training import train

__all__ = ["main"]


@dataclass
class Config:
    """What to train, and where to keep what is seen."""

    run: str = "mnist-pooled-simclr-healthy-0"
    """Data, encoder, method, fault and seed."""
    out: str = "zoo"


ConfigStore.instance().store("zoo", Config)


@hydra.main(version_base=None, config_name="zoo")
def main(config: Config) -> None:
    """Train, unless that has been done."""
    path = Path(config.out) / f"{config.run}.json"
    if path.exists():
        return
    torch.set_num_threads(1)
    path.parent.mkdir(parents=True, exist_ok=True)
    cell, fault, seed = config.run.rsplit("-", 2)
    if cell == JOB:
        seen = train_job(fault, int(seed), path.parent / "jobs" / config.run)
    else:
        seen = asdict(train(*cell.split("-"), fault, int(seed)))
    beside = path.with_suffix(f".{os.getpid()}")
    beside.write_text(json.dumps({"name": config.run, **seen}))
    beside.replace(path)


if __name__ == "__main__":
    main()
