"""Watching changes nothing: every bit of a run is the same with and without callbacks."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from gramscope.callbacks import GramMatrixCallback, GramPatchCallback, GramProbeCallback
from tests.support import TinySSL, trainer


def run(directory: Path, callbacks: list[Any], **arguments: Any) -> dict[str, Any]:
    """Everything that a run leaves behind."""
    pl.seed_everything(3)
    module = TinySSL(returns="dict")
    fit = trainer(directory, callbacks, max_steps=9, **arguments)
    fit.fit(module)
    return {
        "losses": module.losses,
        "weights": module.state_dict(),
        "optimizer": fit.optimizers[0].state_dict(),
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        "numpy": np.random.get_state()[1],  # type: ignore[index]  # noqa: NPY002
    }


def assert_same(a: Any, b: Any, where: str = "run") -> None:
    """Equal to the last bit, all the way down."""
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    elif isinstance(a, np.ndarray):
        assert (a == b).all(), where
    else:
        assert a == b, where


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("accumulate", [1, 6])
@pytest.mark.parametrize("capture", ["auto", "outputs", "forward_hook", "extra_forward", "probes"])
def test_a_watched_run_is_the_same_to_the_last_bit(
    tmp_path: Path, capture: str, accumulate: int, precision: Any
) -> None:
    arguments: dict[str, Any] = {"accumulate_grad_batches": accumulate, "precision": precision}
    key = "from_step" if capture == "outputs" else "teacher_cls_token"
    where = {"save_dir": tmp_path / "gram", "max_pending": 10}
    callbacks: list[Any] = [
        GramProbeCallback(1, "teacher_cls_token", **where),
        GramPatchCallback(1, "tokens", class_key="teacher_cls_token", **where),
    ]
    if capture != "probes":
        callbacks = [
            GramMatrixCallback(1, key, capture=capture, **where),
            GramMatrixCallback(2, "missing", capture=capture, save_dir=tmp_path / "gram"),
        ]

    alone = run(tmp_path, [], **arguments)
    watched = run(tmp_path, callbacks, **arguments)

    assert callbacks[0].outcomes == {"logged": 10 if capture == "probes" else 9}
    assert_same(alone, watched)


def test_the_comparison_would_notice(tmp_path: Path) -> None:
    class Careless(pl.Callback):
        def on_train_batch_end(self, *args: Any) -> None:
            torch.rand(1)

    with pytest.raises(AssertionError, match="losses"):
        assert_same(run(tmp_path, []), run(tmp_path, [Careless()]))
