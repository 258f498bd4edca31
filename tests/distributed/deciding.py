"""One rank of runs in which Lightning's own callbacks decide by our numbers, on all ranks alike."""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor

from gramscope.callbacks import GramMatrixCallback
from tests.distributed.identical import digest
from tests.planting import Function, watching
from tests.support import TinySSL, trainer

torch.set_num_threads(1)
LAUNCHED = {k: v for k, v in os.environ.items() if k in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}
RANK = int(LAUNCHED["RANK"])
MEAN = "representation/offdiag_mean"
FILES = tuple(f"callbacks/{name}.py" for name in ("agreement", "shown", "lookers", "stopping"))


class Scripted(TinySSL):
    """Shows features that are less and less alike until the seventh step, and then ever more."""

    def __init__(self, *, plateau: bool) -> None:
        super().__init__(batches=14)
        self.plateau = plateau

    def training_step(self, batch: Tensor, batch_idx: int) -> Any:
        generator = torch.Generator().manual_seed(self.global_step + 100 * RANK)
        features = torch.randn(8, 16, generator=generator) + abs(self.global_step - 6)
        return {"loss": super().training_step(batch, batch_idx), "f": features}

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=self.lr)
        if not self.plateau:
            return optimizer
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
        return [optimizer], [{"scheduler": plateau, "monitor": MEAN, "interval": "step"}]


class CannotStart(GramMatrixCallback):
    """Fails before it has anything that could watch."""

    def _start(self, trainer: Any, pl_module: Any) -> Any:
        raise RuntimeError("as planned")


class Looks(pl.Callback):
    """Has events finished before the next step, and notes what this rank finds at a step's end."""

    def __init__(self) -> None:
        self.seen: list[float | None] = []

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        for callback in trainer.callbacks:
            if isinstance(callback, GramMatrixCallback) and callback.engine is not None:
                callback.engine.wait_idle(30)

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        value = trainer.callback_metrics.get(MEAN)
        self.seen.append(None if value is None else value.item())


class Counts(DDPStrategy):
    """Counts the broadcasts of numbers."""

    told = 0

    def broadcast(self, obj: Any, src: int = 0) -> Any:
        self.told += isinstance(obj, tuple) and isinstance(obj[0], dict)
        return super().broadcast(obj, src)


def fit(directory: Path, plan: dict[str, Any], target: Function | None = None) -> dict[str, Any]:
    """One run, and what this rank saw of it."""
    os.environ.update(LAUNCHED)
    pl.seed_everything(5, verbose=False)
    kind = CannotStart if plan["fails_on"] == RANK else GramMatrixCallback
    ours = kind(1000, "f", metrics_every_n_steps=2, save_dir=directory / "gram", timeout_s=20.0)
    looks, module = Looks(), Scripted(plateau=plan["decides"])
    stops = EarlyStopping(MEAN, patience=1)
    keeper = ModelCheckpoint(directory / "kept", monitor=MEAN, every_n_train_steps=2)
    strategy = Counts(process_group_backend="gloo")
    run = trainer(
        directory,
        [ours, looks, *([stops, keeper] if plan["decides"] else [])],
        max_steps=plan["steps"],
        max_epochs=-1,
        devices=2,
        strategy=strategy,
        enable_checkpointing=plan["decides"],
    )
    with watching(target) as called:
        run.fit(module)
    alike = {
        "step": run.global_step,
        "seen": looks.seen,
        "best": Path(keeper.best_model_path).name,
        "early": stops.best_score.item(),
        "settings": [keeper.save_top_k, stops.strict],
        "lr": run.optimizers[0].param_groups[0]["lr"],
        "weights": digest(dict(module.named_parameters())),
        "told": strategy.told,
    }
    last = run.callback_metrics[MEAN].item() if MEAN in run.callback_metrics else None
    functions = [function for function in called if function[0] in FILES]
    return {"alike": alike, "last": last, "functions": functions}


def main() -> None:
    plan_file = Path(sys.argv[1])
    here, plan = plan_file.parent, json.loads(plan_file.read_text())
    warnings.filterwarnings("ignore", "ReduceLROnPlateau conditioned on metric")
    runs = [fit(here / "none", plan)]
    if plan["planted"]:
        functions: list[Any] = [None, None]
        dist.all_gather_object(functions, runs[0]["functions"])
        for struck, theirs in enumerate(functions):
            for number, function in enumerate(theirs):
                target = function if struck == RANK else None
                runs.append(fit(here / f"{struck}-{number}", plan, target))
    (here / f"rank{RANK}.json").write_text(json.dumps(runs))


if __name__ == "__main__":
    main()
