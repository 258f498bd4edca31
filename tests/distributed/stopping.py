"""One rank of a run that its diagnosis ends, and what the rank saw of that."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor

from gramscope.callbacks import GramMatrixCallback
from tests.support import TinySSL, trainer

torch.set_num_threads(1)
RANK = int(os.environ["RANK"])


class Collapses(TinySSL):
    """Shows one point from the fifth step on."""

    def training_step(self, batch: Tensor, batch_idx: int) -> Any:
        point = self.global_step >= 4
        features = torch.ones(8, 16) if point else torch.randn(8, 16)
        return {"loss": self.model(batch)["teacher_cls_token"].square().mean(), "f": features}


class CannotStart(GramMatrixCallback):
    """Fails before it has anything that could watch."""

    def _start(self, trainer: Any, pl_module: Any) -> Any:
        raise RuntimeError("as planned")


class OneStepMore(pl.Callback):
    """Lets Lightning end only after another step, as where `min_steps` holds it."""

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        if trainer.should_stop:
            trainer.fit_loop.epoch_loop.min_steps = trainer.global_step + 1


def main() -> None:
    plan_file = Path(sys.argv[1])
    plan = json.loads(plan_file.read_text())
    here = plan_file.parent
    logging.basicConfig(filename=here / f"rank{RANK}.log", level=logging.WARNING)
    torch.manual_seed(RANK)  # ranks that show the same rows are in a state of their own
    kind = CannotStart if plan["fails_on"] == RANK else GramMatrixCallback
    callback = kind(
        1000,
        "f",
        metrics_every_n_steps=3,
        stop_on=["complete_collapse"],
        thresholds={"confirm_events": 1},
        save_dir=here / "gram",
        timeout_s=20.0,
    )
    root = here / "root"
    if plan["full"]:
        root.touch()
    run = trainer(
        root,
        [callback, OneStepMore()],
        min_steps=plan["steps"],
        min_epochs=0,
        max_steps=plan["steps"],
        max_epochs=-1,
        devices=2,
        strategy=DDPStrategy(process_group_backend="gloo"),
    )
    run.fit(Collapses())
    report = {"step": run.global_step, "stopped": callback.stopped, "state": callback.diagnosis}
    (here / f"rank{RANK}.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main()
