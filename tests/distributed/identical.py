"""One rank of runs with and without callbacks, each with a digest of all that it leaves."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import DDPStrategy

from gramscope.callbacks import GramMatrixCallback, GramPatchCallback, GramProbeCallback
from tests.support import TinySSL, trainer

torch.set_num_threads(1)
LAUNCHED = {k: v for k, v in os.environ.items() if k in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}


def digest(*things: Any) -> str:
    """Of everything in ``things``, to the last bit."""
    buffer = io.BytesIO()
    for thing in things:
        if isinstance(thing, dict):
            buffer.write(
                digest(*[x for pair in sorted(thing.items(), key=str) for x in pair]).encode()
            )
        elif isinstance(thing, (list, tuple)):
            buffer.write(digest(*thing).encode())
        elif isinstance(thing, torch.Tensor):
            buffer.write(thing.detach().cpu().contiguous().numpy().tobytes())
        elif isinstance(thing, np.ndarray):
            buffer.write(thing.tobytes())
        else:
            buffer.write(repr(thing).encode())
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def fit(directory: Path, arguments: dict[str, Any], callbacks: list[Any]) -> dict[str, Any]:
    """One run, and digests of what it left."""
    os.environ.update(LAUNCHED)
    pl.seed_everything(5 + int(LAUNCHED["RANK"]))
    module = TinySSL(returns="dict")
    run = trainer(
        directory,
        callbacks,
        max_steps=6,
        devices=int(LAUNCHED["WORLD_SIZE"]),
        strategy=DDPStrategy(process_group_backend="gloo"),
        **arguments,
    )
    run.fit(module)
    return {
        "losses": digest(module.losses),
        "weights": digest(module.state_dict()),
        "optimizer": digest(run.optimizers[0].state_dict()),
        "generators": digest(torch.get_rng_state(), random.getstate(), np.random.get_state()),  # noqa: NPY002
    }


def main() -> None:
    plan_file = Path(sys.argv[1])
    directory = plan_file.parent
    seen = []
    for number, (capture, arguments) in enumerate(json.loads(plan_file.read_text())["runs"]):
        key = "from_step" if capture == "outputs" else "teacher_cls_token"
        save_dir = directory / f"gram{number}"
        callbacks: list[Any] = [
            GramProbeCallback(1, "teacher_cls_token", save_dir=save_dir),
            GramPatchCallback(1, "tokens", class_key="teacher_cls_token", save_dir=save_dir),
        ]
        if capture != "probes":
            callbacks = [GramMatrixCallback(1, key, capture=capture, save_dir=save_dir)]
        callback = callbacks[0]
        alone = fit(directory, arguments, [])
        watched = fit(directory, arguments, callbacks)
        seen.append({"alone": alone, "watched": watched, "outcomes": callback.outcomes})
    (directory / f"rank{LAUNCHED['RANK']}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main()
