"""Faults, each on one rank of a real multi-process run; one process group, a fit for each.

Run as one rank by `launch`. The plan names the faults and the ranks they strike; what each fit
left is written to ``rank<r>.json`` beside the plan.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

torch.set_num_threads(1)

import pytorch_lightning as pl  # noqa: E402
from pytorch_lightning.loggers import CSVLogger  # noqa: E402
from pytorch_lightning.strategies import DDPStrategy  # noqa: E402

from gramscope.callbacks import GramMatrixCallback  # noqa: E402
from tests.support import drawing_helpers, monitor_threads  # noqa: E402

DIM, ROWS, STEPS, STRUCK = 12, 8, 6, 3  # the fault strikes at step 3 of 6
KEY = "teacher_cls_token"
TIMEOUT_S = 8.0
LAUNCHED = {k: v for k, v in os.environ.items() if k in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}

Outputs = dict[str, Any]


class Trap(dict):  # type: ignore[type-arg]
    """A mapping that raises when it is looked at."""

    def __contains__(self, key: object) -> bool:
        raise RuntimeError("planted")


def missing_key(outputs: Outputs) -> Outputs:
    return {k: v for k, v in outputs.items() if k != KEY}


def exception(outputs: Outputs) -> Outputs:
    return Trap(outputs)


def nan_rows(outputs: Outputs) -> Outputs:
    outputs[KEY][:3] = float("nan")
    return outputs


def inf_everywhere(outputs: Outputs) -> Outputs:
    outputs[KEY][:] = float("inf")
    return outputs


def other_dimension(outputs: Outputs) -> Outputs:
    return {**outputs, KEY: outputs[KEY][:, :5]}


def other_dtype(outputs: Outputs) -> Outputs:
    return {**outputs, KEY: outputs[KEY].bfloat16()}


def zero_rows(outputs: Outputs) -> Outputs:
    return {**outputs, KEY: outputs[KEY][:0]}


def fewer_rows(outputs: Outputs) -> Outputs:
    return {**outputs, KEY: outputs[KEY][:3]}


def late(outputs: Outputs) -> Outputs:
    time.sleep(2)
    return outputs


def monitor_thread_killed(outputs: Outputs) -> Outputs:
    for thread in threading.enumerate():
        if thread.name == "gramscope-monitor" and thread.ident is not None:
            # A thread that is being started has its starter's ident for a moment, and would be hit.
            while _is_starting_another(thread.ident):
                time.sleep(0.001)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit)
            )
    return outputs


def _is_starting_another(ident: int) -> bool:
    stack = traceback.walk_stack(sys._current_frames().get(ident))
    return any(frame.f_code is threading.Thread.start.__code__ for frame, _ in stack)


def renderer_killed(outputs: Outputs) -> Outputs:
    for helper in drawing_helpers():
        os.kill(helper, signal.SIGKILL)
    return outputs


def full_disk(outputs: Outputs) -> Outputs:
    # A quota on the size of a file stands in for a full disk: pictures do not fit any more.
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, resource.RLIM_INFINITY))
    return outputs


def read_only_directory(outputs: Outputs) -> Outputs:
    return outputs  # the directory is made impossible before the fit, see `fit`


def failing_logger(outputs: Outputs) -> Outputs:
    return outputs  # see `FailingLogger`


def rank_killed(outputs: Outputs) -> Outputs:
    os.kill(os.getpid(), signal.SIGKILL)
    return outputs


FAULTS: dict[str, Callable[[Outputs], Outputs]] = {
    fault.__name__: fault
    for fault in (
        missing_key,
        exception,
        nan_rows,
        inf_everywhere,
        other_dimension,
        other_dtype,
        zero_rows,
        fewer_rows,
        late,
        monitor_thread_killed,
        renderer_killed,
        full_disk,
        read_only_directory,
        failing_logger,
        rank_killed,
    )
}


class FailingLogger(CSVLogger):
    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        if any(key.startswith("representation/") for key in metrics):
            raise ConnectionError("planted")
        super().log_metrics(metrics, step)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(DIM, DIM)

    def forward(self, x: Tensor, strike: Callable[[Outputs], Outputs] | None) -> Outputs:
        outputs = {"loss": self.layer(x).square().mean(), KEY: x.clone()}
        return strike(outputs) if strike else outputs


class Module(pl.LightningModule):
    def __init__(self, strike: Callable[[Outputs], Outputs] | None) -> None:
        super().__init__()
        self.model = Net()
        self.strike = strike

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        struck = self.global_step + 1 == STRUCK
        outputs = self.model(torch.randn(ROWS, DIM), self.strike if struck else None)
        return dict.get(outputs, "loss")  # type: ignore[return-value]

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.01)

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(range(10_000), batch_size=1)


def fit(fault: str, struck_rank: int, directory: Path) -> dict[str, Any]:
    """One fit with one fault, and what it left."""
    os.environ.update(LAUNCHED)  # Lightning clears it after a fit
    rank, world_size = int(LAUNCHED["RANK"]), int(LAUNCHED["WORLD_SIZE"])
    strikes = rank == struck_rank
    save_dir = directory / f"{fault}-{struck_rank}"
    callback = GramMatrixCallback(
        1, max_samples=ROWS * world_size, save_dir=save_dir, timeout_s=TIMEOUT_S
    )
    if fault == "read_only_directory" and strikes:
        save_dir.touch()
    logger = (FailingLogger if fault == "failing_logger" else CSVLogger)(str(directory / "csv"))
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=world_size,
        strategy=DDPStrategy(process_group_backend="gloo"),
        max_steps=STEPS,
        callbacks=[callback],
        logger=logger,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    start = time.monotonic()
    trainer.fit(Module(FAULTS[fault] if strikes else None))
    seconds = time.monotonic() - start
    for thread in monitor_threads():
        if thread.name == "gramscope-connect":  # nothing breaks it off; it has seconds
            thread.join(10.0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return {
        "fault": fault,
        "struck_rank": struck_rank,
        "global_step": trainer.global_step,
        "outcomes": callback.outcomes,
        "seconds": seconds,
        "threads": [thread.name for thread in monitor_threads()],
    }


def main() -> None:
    plan_file = Path(sys.argv[1])
    plan = json.loads(plan_file.read_text())
    rank = int(LAUNCHED["RANK"])
    logging.basicConfig(filename=plan_file.parent / f"rank{rank}.log", level=logging.WARNING)
    seen = [fit(fault, struck, plan_file.parent) for fault, struck in plan["strikes"]]
    (plan_file.parent / f"rank{rank}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main()
