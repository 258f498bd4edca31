"""Nothing of ours reaches training: every function that its thread runs is made to fail once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger

from gramscope.callbacks import GramMatrixCallback, MonitorProgressBar
from tests.planting import Function, watching
from tests.support import TinySSL, trainer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.version_info < (3, 11), reason="functions have no qualified names"),
]


def fit(directory: Path, target: Function | None = None) -> tuple[Any, Any, list[Function]]:
    """Weights and outcomes of a run in which a function fails, and the functions called."""
    pl.seed_everything(3, verbose=False)
    module = TinySSL()
    callbacks = [
        GramMatrixCallback(2, save_dir=directory / "gram", timeout_s=5.0),
        GramMatrixCallback(2, "student_cls_token", capture="extra_forward", timeout_s=5.0),
    ]
    run = trainer(
        directory,
        [*callbacks, MonitorProgressBar()],
        max_steps=6,
        logger=CSVLogger(str(directory)),
        enable_progress_bar=True,
    )
    with watching(target) as called:
        run.fit(module)
    assert run.global_step == 6
    return module.state_dict(), [c.outcomes for c in callbacks], called


def test_training_never_sees_what_fails_in_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")  # pictures are not what this is about
    expected, outcomes, functions = fit(tmp_path / "none")
    assert outcomes == [{"logged": 3}] * 2
    assert len(functions) > 100

    reached, unaccounted = [], {}
    for number, function in enumerate(functions):
        caplog.clear()
        try:
            weights, outcomes, _ = fit(tmp_path / str(number), function)
        except Exception as error:
            reached.append((function, repr(error)))
            continue
        assert all(torch.equal(weights[name], value) for name, value in expected.items())
        off = "stays off" in caplog.text
        if not off and [sum(each.values()) for each in outcomes] != [3, 3]:
            unaccounted[function] = outcomes

    print("UNACC", *unaccounted.items(), sep="\n")
    assert reached == []
    assert unaccounted == {}
