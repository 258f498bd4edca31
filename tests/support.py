"""A small model with everything that a careless monitor could disturb, and readers of records."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import struct
import threading
import time
from collections.abc import Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor, nn

DIM = 8


class TinyNet(nn.Module):
    """Dropout, a random mask and batch statistics: draws from every generator there is."""

    def __init__(self, *, draws: bool = True) -> None:
        super().__init__()
        self.draws = draws
        self.encoder = nn.Sequential(nn.Linear(DIM, 16), nn.BatchNorm1d(16), nn.Dropout(0.2))
        self.head = nn.Linear(16, DIM)

    def forward(self, x: Tensor) -> dict[str, Any]:
        if self.draws:
            x = x * (torch.rand_like(x) > 0.1) * (1 + random.random() + np.random.rand())  # noqa: NPY002
        backbone = self.encoder(x)
        token = self.head(backbone)
        return {
            "teacher_cls_token": token,
            "teacher_cls_token_backbone": backbone,
            "student_cls_token": -token,
            "tokens": torch.stack([token, backbone[:, :DIM]], dim=1),
            "pred": {"teacher_cls_token": token * 2},
        }


class TinySSL(pl.LightningModule):
    """Trains `TinyNet` on random data; what `training_step` returns can be chosen."""

    def __init__(
        self, *, batches: int = 64, batch_size: int = 8, lr: float = 0.05, returns: str = "loss"
    ) -> None:
        super().__init__()
        self.model: nn.Module = TinyNet()
        self.returns = returns
        self.lr = lr
        self.losses: list[float] = []
        generator = torch.Generator().manual_seed(7)
        data = torch.randn(batches * batch_size, DIM, generator=generator)
        self.loader: Any = torch.utils.data.DataLoader(data, batch_size=batch_size)  # type: ignore[arg-type]

    def training_step(self, batch: Tensor, batch_idx: int) -> Any:
        outputs = self.model(batch)
        loss = outputs["teacher_cls_token"].square().mean()
        self.losses.append(loss.item())
        self.log("train/loss", loss)
        if self.returns == "loss":
            return loss
        return {"loss": loss, "from_step": outputs["teacher_cls_token"].detach() + 1}

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.lr)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 10)]

    def train_dataloader(self) -> Any:
        return self.loader


class ValidatedSSL(TinySSL):
    """The same, validated."""

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        self.log("val/loss", self.model(batch)["teacher_cls_token"].square().mean())

    def val_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(torch.ones(16, DIM), batch_size=8)  # type: ignore[arg-type]


def trainer(directory: Path, callbacks: list[Any], **arguments: Any) -> pl.Trainer:
    defaults: dict[str, Any] = {
        "accelerator": "cpu",
        "devices": 1,
        "max_steps": 12,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "log_every_n_steps": 1,
        "default_root_dir": str(directory),
        "num_sanity_val_steps": 0,
    }
    return pl.Trainer(callbacks=callbacks, **{**defaults, **arguments})


def resume(run: pl.Trainer, module: pl.LightningModule, checkpoint: Path | str | None) -> None:
    """Fit from a checkpoint of our own; newer Lightnings want to be told that it is."""
    trust = {"weights_only": False} if "weights_only" in signature(run.fit).parameters else {}
    run.fit(module, ckpt_path=checkpoint and str(checkpoint), **trust)


def drawing_helpers() -> list[int]:
    """Process ids of the helpers that draw for this process."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):  # ended meanwhile
            mine = f"PPid:\t{os.getpid()}\n" in status.read_text()
            if mine and "gramscope.picture.server" in (status.parent / "cmdline").read_text():
                found.append(int(status.parent.name))
    return found


def pause_drawing(seconds: float) -> None:
    """Stop the helpers that there are for a while; one that has ended by then is let be."""

    def go_on() -> None:
        for helper in helpers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(helper, signal.SIGCONT)

    deadline = time.monotonic() + 10
    while not (helpers := drawing_helpers()):  # a process has no name before it has started
        assert time.monotonic() < deadline
    for helper in helpers:
        os.kill(helper, signal.SIGSTOP)
    threading.Timer(seconds, go_on).start()


def monitor_threads() -> list[threading.Thread]:
    """The threads that this project has started and that live."""
    return [t for t in threading.enumerate() if t.name.startswith("gramscope")]


def events(save_dir: Path) -> list[dict[str, Any]]:
    """The account, parsed."""
    return [json.loads(line) for line in (save_dir / "events.jsonl").read_text().splitlines()]


def wandb_history(directory: Path, *, patience_s: float = 30.0) -> list[dict[str, Any]]:
    """Every row of the one offline W&B run below ``directory``, read back from its record.

    W&B's service may complete the file a moment after `wandb.finish` returned.
    """
    return [_wandb_row(row) for row in wandb_records(directory, "history", patience_s=patience_s)]


def wandb_alerts(directory: Path, *, patience_s: float = 30.0) -> list[tuple[str, str, str]]:
    """Title, text and level of every alert of the one offline W&B run below ``directory``."""
    alerts = wandb_records(directory, "alert", patience_s=patience_s)
    return [(alert.title, alert.text, alert.level) for alert in alerts]


def wandb_run(directory: Path, *, patience_s: float = 30.0) -> dict[str, Any]:
    """Name, group, tags and config of the one offline W&B run below ``directory``."""
    run: dict[str, Any] = {"config": {}}
    for record in _wandb_records(directory, patience_s):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            about = record.run
            run |= {"name": about.display_name, "group": about.run_group, "tags": [*about.tags]}
            updates = about.config.update
        elif kind == "config":
            updates = record.config.update
        else:
            continue
        for item in updates:
            run["config"][item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
    return run


def wandb_records(directory: Path, kind: str, *, patience_s: float = 30.0) -> list[Any]:
    """The records of one kind of the one offline W&B run below ``directory``."""
    records = _wandb_records(directory, patience_s)
    return [getattr(r, kind) for r in records if r.WhichOneof("record_type") == kind]


def _wandb_records(directory: Path, patience_s: float) -> list[Any]:
    from wandb.proto import wandb_internal_pb2

    (record_file,) = directory.glob("**/offline-run-*/*.wandb")
    deadline = time.monotonic() + patience_s
    while True:
        assert time.monotonic() < deadline, "the record of the run has no end"
        records = []
        for data in _log_records(record_file.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            records.append(record)
        if any(record.WhichOneof("record_type") == "exit" for record in records):
            return records
        time.sleep(0.1)


def _wandb_row(history: Any) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for item in history.item:
        *outer, last = [item.key] if item.key else list(item.nested_key)
        place = row
        for name in outer:
            place = place.setdefault(name, {})
        place[last] = json.loads(item.value_json)
    return row


def wandb_images(directory: Path, key: str) -> dict[int, Path]:
    """Picture files of one key by ``trainer/global_step``; two at one step are an error."""
    found: dict[int, Path] = {}
    (files,) = directory.glob("**/offline-run-*/files")
    for row in wandb_history(directory):
        if key in row:
            step = row["trainer/global_step"]
            assert step not in found
            found[step] = files / row[key]["path"]
    return found


def _log_records(data: bytes) -> Iterator[bytes]:
    """The records of W&B's log: a 7-byte file header, then LevelDB's log format."""
    block, at, record = 32_768, 7, b""
    while at + 7 <= len(data):
        if block - at % block < 7:  # too little left in the block for a header
            at += block - at % block
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        at += 7
        record += data[at : at + length]
        at += length
        if at > len(data):  # still being written
            return
        if kind in (1, 4):  # a whole record, or the last part of one
            yield record
            record = b""
