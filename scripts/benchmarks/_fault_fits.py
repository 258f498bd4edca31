"""One rank of many fits in a row, each struck by the faults of its plan."""

import contextlib
import dataclasses
import faulthandler
import gc
import hashlib
import itertools
import json
import logging
import os
import signal
import threading
import time
import traceback
import warnings
from collections import deque
from pathlib import Path
from typing import Any, cast

import psutil
import pytorch_lightning as pl
import torch
import torch.distributed as dist
from _faults import (
    KEY,
    RANKS,
    TIMEOUT_S,
    Faults,
    Outputs,
    Plan,
    drawing_helpers,
    plan,
    point,
    threads,
)
from pytorch_lightning.loggers.logger import DummyLogger
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor, nn

from gramscope.callbacks import GramMatrixCallback

ROWS, DIM = 8, 16
FITS = "fits.jsonl"


def fits(directory: str, seed: int, minutes: float, steps: int, only: int) -> None:
    """Fit after fit until the time is up; rank 0 appends what became of each to a file."""
    rank, place = int(os.environ["RANK"]), Path(directory)
    said = _prepare(place / f"rank{rank}.err")
    launched = {name: os.environ[name] for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}
    dist.init_process_group("gloo")
    deadline = time.monotonic() + 60 * minutes
    for number in [only] if only else itertools.count(1):
        os.environ.update(launched)  # Lightning clears it after a fit
        planned = plan(seed, number, steps)
        said.clear()
        mine = _watched(planned, rank, place / f"fit{number}" / str(rank))
        mine["said"] = list(said)
        if planned.control:
            os.environ.update(launched)
            mine["control"] = _run(planned, rank, None, [])["weights"]
        _report(planned, mine, place)
        if not _go_on(deadline):
            break
    dist.destroy_process_group()


def _prepare(errors: Path) -> deque[str]:
    """Have tracebacks on request, nothing on the terminal, and what the library says at hand."""
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)
    warnings.simplefilter("ignore")
    said = _Said()
    logging.getLogger().handlers = [said]
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    threading.excepthook = lambda of: said.lines.append(
        "".join(traceback.format_exception(of.exc_type, of.exc_value, of.exc_traceback))
    )
    return said.lines


class _Said(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: deque[str] = deque(maxlen=40)

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        raised = traceback.format_exception(error) if error else []
        self.lines.append("\n".join([record.getMessage(), "".join(raised)]).rstrip())


def _watched(planned: Plan, rank: int, place: Path) -> dict[str, Any]:
    (place / "disk" / "gram").mkdir(parents=True)
    link = place / "link"
    point(link, "disk")
    faults = Faults(planned.strikes, rank, link)
    callback = GramMatrixCallback(1, KEY, RANKS * ROWS, save_dir=link / "gram", timeout_s=TIMEOUT_S)
    found = _run(planned, rank, faults, [callback])
    found["left"] = [*threads(), *(f"helper {pid}" for pid in drawing_helpers())]
    with contextlib.suppress(FileNotFoundError):  # there is none but on rank 0
        found["lines"] = (place / "disk" / "gram" / "events.jsonl").read_text().splitlines()
    overhead = {f"{name}_ms": ms for name, ms in callback.overhead_ms.items()}
    found |= {**overhead, "outcomes": callback.outcomes, "struck": faults.struck}
    return {**found, **_resources()}


def _run(planned: Plan, rank: int, faults: Faults | None, callbacks: list[Any]) -> dict[str, Any]:
    """Train to the plan's end, and put back what Lightning and the faults leave."""
    torch.manual_seed(planned.number)
    module, ended = _Module(planned, rank, faults), "completed"
    trainer = pl.Trainer(
        accelerator="cpu",
        devices=RANKS,
        strategy=DDPStrategy(process_group_backend="gloo"),
        max_steps=module.most_steps,
        max_epochs=-1,
        callbacks=callbacks,
        logger=_Logger(faults) if faults else False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    # Lightning has it ignored after it came, and a shell does for what runs in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        trainer.fit(module)
    except (_PlannedError, SystemExit) as error:
        ended = "exception" if isinstance(error, _PlannedError) else module.ends_by
    if faults:
        faults.end()
    return {
        "ended": ended,
        "end": time.monotonic(),
        "steps": trainer.global_step,
        "begun": module.begun,
        "weights": _digest(module),
    }


class _PlannedError(RuntimeError):
    """What training ends by."""


class _Logger(DummyLogger):
    def __init__(self, faults: Faults) -> None:
        super().__init__()
        self._faults = faults

    def log_metrics(self, *args: Any, **kwargs: Any) -> None:
        if self._faults.logger_raises:
            raise ConnectionError("planned")


class _Net(nn.Module):
    def __init__(self, faults: Faults | None) -> None:
        super().__init__()
        self.layer = nn.Linear(DIM, DIM)
        self.faults = faults

    def forward(self, x: Tensor) -> Outputs:
        rows = self.layer(x)
        outputs = {"loss": rows.square().mean(), KEY: rows.detach()}
        return self.faults.spoil(outputs) if self.faults else outputs


class _Module(pl.LightningModule):
    def __init__(self, planned: Plan, rank: int, faults: Faults | None) -> None:
        super().__init__()
        self.model = _Net(faults)
        self.begun: list[float] = []
        # A run without faults is one without interruption, which must come to the same weights.
        self.ends_by = planned.end if faults else "completed"
        self.most_steps = planned.steps + 10 * (self.ends_by != "completed")
        self._last, self._rank, self._faults = planned.steps, rank, faults

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        step = self.global_step + 1
        self.begun.append(time.monotonic())
        if self._faults is not None:
            self._faults.begin(step)
        outputs = self.model(self._rows(step))
        self._end(step)
        return cast(Tensor, dict.get(outputs, "loss"))

    def _rows(self, step: int) -> Tensor:
        generator = torch.Generator().manual_seed(RANKS * step + self._rank)
        return torch.randn(ROWS, DIM, generator=generator)

    def _end(self, step: int) -> None:
        if self.ends_by == "sigterm" and step == self._last:
            signal.raise_signal(signal.SIGTERM)  # Lightning finishes the step
        if step > self._last and self.ends_by == "interrupt":
            signal.raise_signal(signal.SIGINT)
        if step > self._last and self.ends_by == "exception":
            raise _PlannedError

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.01)

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(range(1_000_000), batch_size=1)  # type: ignore[arg-type]


def _digest(module: nn.Module) -> str:
    weights = [weight.numpy().tobytes() for weight in module.state_dict().values()]
    return hashlib.sha256(b"".join(weights)).hexdigest()[:16]


def _resources() -> dict[str, Any]:
    gc.collect()
    process = psutil.Process()
    return {
        "RSS_MB": process.memory_info().rss / 1e6,
        "fds": process.num_fds(),
        "threads": process.num_threads(),
    }


def _report(planned: Plan, mine: dict[str, Any], place: Path) -> None:
    ranks: list[Any] = [None] * RANKS
    dist.all_gather_object(ranks, mine)
    if dist.get_rank() == 0:
        record = {"plan": dataclasses.asdict(planned), "ranks": ranks}
        with (place / FITS).open("a") as stream:
            stream.write(json.dumps(record) + "\n")


def _go_on(deadline: float) -> bool:
    """As rank 0 finds, so that all ranks do the same."""
    more = torch.tensor([time.monotonic() < deadline])
    dist.broadcast(more, 0)
    return bool(more)
