"""One rank of trainings with fixed samples, one of them of a model whose weights are sharded."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import DDPStrategy, ModelParallelStrategy
from torch.distributed.fsdp import fully_shard

from gramscope.callbacks import GramPatchCallback, GramProbeCallback
from tests.gramscope.callbacks.probed import PatchSSL, held_out
from tests.support import trainer

torch.set_num_threads(1)
LAUNCHED = {k: v for k, v in os.environ.items() if k in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}


class ShardedSSL(PatchSSL):
    """Its weights lie on both ranks."""

    def configure_model(self) -> None:
        if not hasattr(self.model, "unshard"):
            fully_shard(self.model, mesh=self.device_mesh["data_parallel"])


def strategy(kind: str) -> Any:
    if kind == "ddp":
        return DDPStrategy(process_group_backend="gloo")
    return ModelParallelStrategy(2, 1, process_group_backend="gloo")


def fit(directory: Path, kind: str, callbacks: list[Any]) -> dict[str, Any]:
    os.environ.update(LAUNCHED)
    pl.seed_everything(3)
    module = (ShardedSSL if kind == "sharded" else PatchSSL)(held_out=held_out())
    run = trainer(directory, callbacks, max_steps=4, devices=2, strategy=strategy(kind))
    run.fit(module)
    weights = [v.full_tensor() if hasattr(v, "full_tensor") else v for v in module.parameters()]
    told = b"".join(w.detach().contiguous().numpy().tobytes() for w in weights)
    return {"losses": module.losses, "weights": hashlib.sha256(told).hexdigest()}


def main() -> None:
    directory = Path(sys.argv[1]).parent
    seen = {}
    for kind in ("ddp", "sharded"):
        settings: dict[str, Any] = {"input_key": "image", "save_dir": directory / kind}
        callbacks = [
            GramProbeCallback(2, "token", 9, **settings),
            # Of 7 samples one rank has two batches, and the other one.
            GramPatchCallback(2, "patches", 7, class_key="token", batch_size=3, **settings),
            # Of one sample the other rank has none, and may have to make the pass all the same.
            GramProbeCallback(2, "token", 1, log_key="single", **settings),
            GramPatchCallback(2, "patches", 1, class_key="token", log_key="one", **settings),
        ]
        alone, watched = fit(directory, kind, []), fit(directory, kind, callbacks)
        outcomes = [callback.outcomes for callback in callbacks]
        seen[kind] = {"alone": alone, "watched": watched, "outcomes": outcomes}
    (directory / f"rank{LAUNCHED['RANK']}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main()
