"""One rank of runs in each of which one function of the library fails once, on one of the ranks."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.strategies import DDPStrategy

from gramscope.callbacks import GramMatrixCallback, MonitorProgressBar
from tests.distributed.identical import digest
from tests.planting import Function, watching
from tests.support import TinySSL, monitor_threads, trainer

torch.set_num_threads(1)
LAUNCHED = {k: v for k, v in os.environ.items() if k in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}
RANK, WORLD_SIZE = int(LAUNCHED["RANK"]), int(LAUNCHED["WORLD_SIZE"])
TIMEOUT_S = 20.0


class Said(logging.Handler):
    """What the library warned of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += record.getMessage()


def fit(
    directory: Path, target: Function | None, ours: bool
) -> tuple[dict[str, Any], list[Function]]:
    """One run, what it left, and the functions that this rank's training thread called."""
    os.environ.update(LAUNCHED)
    pl.seed_everything(5 + RANK)
    said = Said()
    logging.getLogger("gramscope").addHandler(said)
    module = TinySSL()
    callback = GramMatrixCallback(2, save_dir=directory / "gram", timeout_s=TIMEOUT_S)
    callbacks: list[Any] = [callback]
    arguments: dict[str, Any] = {"strategy": DDPStrategy(process_group_backend="gloo")}
    if WORLD_SIZE == 1:
        callbacks += [GramMatrixCallback(2, "student_cls_token", capture="extra_forward")]
        callbacks += [MonitorProgressBar()]
        logger = CSVLogger(str(directory))
        arguments = {"logger": logger, "enable_progress_bar": True}
    run = trainer(directory, callbacks, max_steps=6, devices=WORLD_SIZE, **arguments)
    before = monitor_threads()
    start = time.monotonic()
    with watching(target, ours=ours) as called:
        run.fit(module)
    logging.getLogger("gramscope").removeHandler(said)
    left = {
        "weights": digest(module.state_dict()),
        "outcomes": callback.outcomes,
        "seconds": time.monotonic() - start,
        "off": "stays off" in said.text,
        "threads": [thread.name for thread in monitor_threads() if thread not in before],
    }
    return left, called


def stands_for_itself(function: Function, called: list[Function]) -> bool:
    """Of pure rooms, each entered at one place, one function of a file stands for all."""
    file, _ = function
    of_file = [f for f in called if f[0] == file]
    return not file.startswith(("metrics/", "config/")) or function == of_file[0]


def main() -> None:
    plan_file = Path(sys.argv[1])
    ours = json.loads(plan_file.read_text())["ours"]
    sys.executable = "/bin/false"  # pictures are not what this is about
    expected, called = fit(plan_file.parent / "none", None, ours)
    called = [function for function in called if stands_for_itself(function, called)]
    if WORLD_SIZE > 1 and RANK == 0 and not ours:  # the rest fails on a rank 0 that is alone
        called = [function for function in called if function[0].startswith("monitor/")]
    functions: list[Any] = [called] * WORLD_SIZE
    if WORLD_SIZE > 1:
        dist.all_gather_object(functions, called)
    seen = []
    for struck, mine in enumerate(functions):
        for number, function in enumerate(mine):
            target = function if struck == RANK else None
            left, _ = fit(plan_file.parent / f"{struck}-{number}", target, ours)
            seen.append({"function": function, "struck": struck, **left})
    report = {"expected": expected, "seen": seen}
    (plan_file.parent / f"rank{RANK}.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main()
