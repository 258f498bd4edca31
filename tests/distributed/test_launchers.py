"""A callback knows what it saw in the processes that Lightning's launchers started."""

from __future__ import annotations

import copy
import gc
import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from torch import Tensor
from torch.multiprocessing import ProcessRaisedException

from gramscope import objective
from gramscope.callbacks import GramMatrixCallback
from tests.support import TinySSL, events, resume, trainer

pytestmark = [
    pytest.mark.distributed,
]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory for temporary files, also that of the processes started."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setenv("TMPDIR", str(directory))
    monkeypatch.setattr(tempfile, "tempdir", None)

    yield directory

    os.environ.pop("MASTER_PORT", None)  # of the launcher


def fit(directory: Path, callbacks: list[Any], strategy: str, **arguments: Any) -> Any:
    """A trainer after four steps."""
    arguments = {"devices": 2, "max_steps": 4, **arguments}
    module = arguments.pop("module", None) or TinySSL(batches=16)
    run = trainer(directory, callbacks, strategy=strategy, **arguments)
    run.fit(module)
    return run


def steps(directory: Path) -> list[int]:
    return [event["step"] for event in events(directory / "gram")]


def left(temporary: Path) -> list[Path]:
    return [*temporary.glob("gramscope-*")]


@pytest.mark.parametrize("strategy", ["ddp_spawn", "ddp_fork", "ddp_notebook"])
def test_what_the_processes_saw_is_in_the_callback_afterwards(
    tmp_path: Path, temporary: Path, strategy: str
) -> None:
    first = GramMatrixCallback(2)
    second = GramMatrixCallback(4, "student_cls_token")

    run = fit(tmp_path, [first, second], strategy)

    last = events(tmp_path / "gram")[-2:]
    assert [c.outcomes for c in (first, second)] == [{"logged": 2}, {"logged": 1}]
    assert [c.latest for c in (first, second)] == [event["metrics"] for event in last]
    assert [c.last_step for c in (first, second)] == [4, 4]
    counted = {"outcomes": {"logged": 2}, "remarks": {}, "last_step": 4}
    assert first.state_dict().items() >= counted.items()
    assert [first.diagnosis, second.diagnosis] == [event["diagnosis"] for event in last]
    assert first.summary.startswith("teacher_cls_token: 2 logged, 0 skipped; training thread ")
    assert first.pictures == [str(tmp_path / "gram/gram_matrix.teacher_cls_token")]
    name = "representation/student_cls_token/offdiag_mean"
    assert objective(run, name) == second.latest["offdiag_mean"]
    assert left(temporary) == []


@pytest.mark.parametrize("looks", [True, False], ids=["looked at between", "not looked at"])
def test_further_fits_go_on_counting(tmp_path: Path, temporary: Path, looks: bool) -> None:
    callback = GramMatrixCallback(2, save_dir=tmp_path / "gram")

    for done in range(3):
        arguments = {"strategy": "ddp_fork"} if done < 2 else {"strategy": "auto", "devices": 1}
        fit(tmp_path, [callback], **arguments)
        if looks:
            assert callback.outcomes == {"logged": 2 * (done + 1)}

    assert callback.outcomes == {"logged": 6}
    assert left(temporary) == []


class SavesAtThree(pl.Callback):
    """Saves a checkpoint at the third step."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        if trainer.global_step == 3:
            trainer.save_checkpoint(self.path)


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch")
def test_a_resumed_fit_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    callback = GramMatrixCallback(2, save_dir=tmp_path / "gram")
    path = tmp_path / "three.ckpt"

    fit(tmp_path, [callback, SavesAtThree(path)], "ddp_fork")
    run = trainer(tmp_path, [callback], strategy="ddp_fork", devices=2, max_steps=6)
    resume(run, TinySSL(batches=16), path)

    assert steps(tmp_path) == [2, 4, 6]
    left_behind = events(tmp_path / "gram/previous_runs/1")
    assert [event["step"] for event in left_behind] == [4]
    assert sum(callback.outcomes.values()) == 3


def test_copies_have_accounts_of_their_own(tmp_path: Path) -> None:
    callback = GramMatrixCallback(2, save_dir=tmp_path / "gram")
    before = copy.copy(callback), copy.deepcopy(callback)

    fit(tmp_path, [callback], "ddp_fork")
    after = copy.deepcopy(callback)
    fit(tmp_path, [after], "ddp_fork")

    assert [c.outcomes for c in before] == [{}, {}]
    assert (callback.outcomes, after.outcomes) == ({"logged": 2}, {"logged": 4})


class Failing(TinySSL):
    """Ends its run at the fourth batch."""

    def training_step(self, batch: Tensor, batch_idx: int) -> Any:
        if batch_idx == 3:
            raise RuntimeError("as planned")
        return super().training_step(batch, batch_idx)


def test_what_a_process_that_failed_saw_is_there_too(tmp_path: Path) -> None:
    callback = GramMatrixCallback(1, save_dir=tmp_path / "gram")

    with pytest.raises(ProcessRaisedException, match="as planned"):
        fit(tmp_path, [callback], "ddp_fork", devices=1, module=Failing(batches=16))

    assert callback.outcomes == {"logged": 3}
    assert steps(tmp_path) == [1, 2, 3]


def test_nothing_that_nobody_asks_for_is_left_behind(tmp_path: Path, temporary: Path) -> None:
    callback = GramMatrixCallback(2, save_dir=tmp_path / "gram")
    fit(tmp_path, [callback], "ddp_fork")
    assert left(temporary)

    del callback
    gc.collect()

    assert left(temporary) == []


def _fit_and_forget(directory: Path) -> None:
    fit(directory, [GramMatrixCallback(2, save_dir=directory / "gram")], "ddp_fork")


def test_nothing_is_left_behind_by_a_process_that_ends(tmp_path: Path, temporary: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=_fit_and_forget, args=(tmp_path,))

    process.start()
    process.join()

    assert process.exitcode == 0
    assert steps(tmp_path) == [2, 4]
    assert left(temporary) == []
