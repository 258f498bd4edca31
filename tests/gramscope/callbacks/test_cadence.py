"""One event for each due optimizer step, whatever makes up a step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gramscope.callbacks import GramMatrixCallback
from tests.support import TinySSL, events, trainer


def fired(
    directory: Path, callback: GramMatrixCallback, module: Any, **arguments: Any
) -> list[int]:
    callback.max_pending = 100  # steps of a tiny model outrun events where cores are busy
    trainer(directory, [callback], **arguments).fit(module)
    found = events(directory / "gram")
    assert all(event["status"] == "logged" for event in found)
    return [event["step"] for event in found]


@pytest.mark.parametrize("accumulate", [1, 2, 6])
def test_it_fires_once_for_each_due_optimizer_step(tmp_path: Path, accumulate: int) -> None:
    callback = GramMatrixCallback(3, save_dir=tmp_path / "gram")

    steps = fired(tmp_path, callback, TinySSL(), max_steps=10, accumulate_grad_batches=accumulate)

    assert steps == [3, 6, 9]
    assert callback.outcomes == {"logged": 3}


def test_rows_come_from_all_micro_batches(tmp_path: Path) -> None:
    callback = GramMatrixCallback(2, max_samples=12, save_dir=tmp_path / "gram")

    fired(tmp_path, callback, TinySSL(), max_steps=2, accumulate_grad_batches=3)

    saved = np.load(tmp_path / "gram/gram_matrix/step_00000002.npz")
    assert saved["index"].tolist() == list(range(0, 24, 2))  # 3 batches of 8
    assert saved["gram"].shape == (12, 12)
    assert saved["rank"].tolist() == [0] * 12


def test_the_step_that_an_epoch_cuts_short_gives_the_rows_it_has(tmp_path: Path) -> None:
    callback = GramMatrixCallback(1, max_samples=8, save_dir=tmp_path / "gram")

    steps = fired(
        tmp_path,
        callback,
        TinySSL(batches=5, batch_size=4),
        max_epochs=2,
        max_steps=-1,
        accumulate_grad_batches=3,
    )

    assert steps == [1, 2, 3, 4]
    index = [
        np.load(tmp_path / f"gram/gram_matrix/step_{s:08d}.npz")["index"].tolist() for s in steps
    ]
    long, short = [0, 1, 3, 4, 6, 7, 9, 10], list(range(8))  # 8 of 12 rows, 8 of 8
    assert index == [long, short, long, short]


class TwoOptimizers(TinySSL):
    """Advances ``global_step`` by two with each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD(self.parameters(), lr=0.01) for _ in range(2)]

    def training_step(self, batch: Tensor, batch_idx: int) -> None:
        for optimizer in self.optimizers():  # type: ignore[union-attr]
            optimizer.zero_grad()
            self.manual_backward(self.model(batch)["teacher_cls_token"].square().mean())
            optimizer.step()


def test_a_step_that_is_passed_over_still_fires(tmp_path: Path) -> None:
    callback = GramMatrixCallback(5, save_dir=tmp_path / "gram")

    assert fired(tmp_path, callback, TwoOptimizers(), max_steps=24) == [6, 10, 16, 20]


class UnequalOptimizers(TwoOptimizers):
    """Steps one optimizer with every batch, the other with every second."""

    def training_step(self, batch: Tensor, batch_idx: int) -> None:
        for number, optimizer in enumerate(self.optimizers()):  # type: ignore[arg-type]
            if batch_idx % (number + 1) == number:
                optimizer.zero_grad()
                self.manual_backward(self.model(batch)["teacher_cls_token"].square().mean())
                optimizer.step()


def test_optimizers_of_unequal_cadence_skip_nothing(tmp_path: Path) -> None:
    callback = GramMatrixCallback(3, save_dir=tmp_path / "gram")

    steps = fired(tmp_path, callback, UnequalOptimizers(), max_steps=30)

    assert len(steps) == 10
    assert [step // 3 for step in steps] == list(range(1, 11))


class EveryThirdBatch(TinySSL):
    """Accumulates by hand, which no trainer argument tells."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Tensor, batch_idx: int) -> None:
        self.manual_backward(self.model(batch)["teacher_cls_token"].square().mean())
        if batch_idx % 3 == 2:
            optimizer = self.optimizers()
            optimizer.step()  # type: ignore[union-attr]
            optimizer.zero_grad()  # type: ignore[union-attr]


def test_manual_accumulation_is_learnt(tmp_path: Path) -> None:
    callback = GramMatrixCallback(1, max_samples=6, save_dir=tmp_path / "gram")

    assert fired(tmp_path, callback, EveryThirdBatch(), max_steps=3) == [1, 2, 3]
    saved = np.load(tmp_path / "gram/gram_matrix/step_00000003.npz")
    assert saved["index"].tolist() == list(range(0, 24, 4))


def test_no_step_is_due_before_the_first_multiple(tmp_path: Path) -> None:
    callback = GramMatrixCallback(100, save_dir=tmp_path / "gram")

    trainer(tmp_path, [callback], max_steps=99).fit(TinySSL(batches=99))

    assert callback.outcomes == {}
    assert callback.latest == {}
