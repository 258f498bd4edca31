"""Beginnings and ends: whatever ends a run, nothing is lost and nothing is left behind."""

from __future__ import annotations

import _thread
import copy
import os
import pickle
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch import Tensor, randn

from gramscope.callbacks import GramMatrixCallback
from tests.planting import watching
from tests.support import (
    TinySSL,
    ValidatedSSL,
    drawing_helpers,
    events,
    monitor_threads,
    pause_drawing,
    resume,
    trainer,
)


def steps(directory: Path) -> list[int]:
    return [event["step"] for event in events(directory / "gram")]


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    module = TinySSL()

    trainer(tmp_path, [GramMatrixCallback(1, save_dir=tmp_path / "gram")]).fit(module)

    assert not monitor_threads()
    assert not any(m._forward_hooks for m in module.modules())
    assert not drawing_helpers()


def test_repeated_fits_go_on_counting(tmp_path: Path) -> None:
    callback = GramMatrixCallback(4, save_dir=tmp_path / "gram")
    module = TinySSL()

    for _ in range(2):
        trainer(tmp_path, [callback], max_steps=8).fit(module)

    assert steps(tmp_path) == [4, 8]  # the second run's
    assert callback.outcomes == {"logged": 4}


def test_a_fast_dev_run_is_watched(tmp_path: Path) -> None:
    callback = GramMatrixCallback(1, save_dir=tmp_path / "gram")

    trainer(tmp_path, [callback], fast_dev_run=2).fit(ValidatedSSL())

    assert steps(tmp_path) == [1, 2]


def test_validation_is_not_watched(tmp_path: Path) -> None:
    callback = GramMatrixCallback(1, save_dir=tmp_path / "gram")
    fit = trainer(tmp_path, [callback], max_steps=3)

    fit.validate(ValidatedSSL(), verbose=False)
    fit.fit(ValidatedSSL())
    fit.validate(ValidatedSSL(), verbose=False)

    assert steps(tmp_path) == [1, 2, 3]


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch")
@pytest.mark.parametrize("stop_at", [7, 8])
def test_a_resumed_run_neither_repeats_nor_drops_an_event(tmp_path: Path, stop_at: int) -> None:
    def callback() -> GramMatrixCallback:
        return GramMatrixCallback(4, save_dir=tmp_path / "gram")

    first = trainer(tmp_path, [callback()], max_steps=stop_at)
    first.fit(TinySSL())
    first.save_checkpoint(tmp_path / "last.ckpt")
    resumed = callback()
    second = trainer(tmp_path, [resumed], max_steps=16)
    resume(second, TinySSL(), tmp_path / "last.ckpt")

    assert steps(tmp_path) == [4, 8, 12, 16]
    assert resumed.outcomes == {"logged": 4}


def test_states_of_several_callbacks_are_kept_apart(tmp_path: Path) -> None:
    callbacks = [
        GramMatrixCallback(4, save_dir=tmp_path / "gram"),
        GramMatrixCallback(6, "student_cls_token", save_dir=tmp_path / "gram"),
    ]
    fit = trainer(tmp_path, list(callbacks))

    fit.fit(TinySSL())

    assert len({c.state_key for c in callbacks}) == 2
    states = fit._checkpoint_connector.dump_checkpoint()["callbacks"]
    assert [states[c.state_key]["outcomes"] for c in callbacks] == [{"logged": 3}, {"logged": 2}]


class Failing(TinySSL):
    """Ends its run at the eighth batch."""

    def __init__(self, error: type[BaseException]) -> None:
        super().__init__()
        self.error = error

    def training_step(self, batch: Tensor, batch_idx: int) -> Any:
        if batch_idx == 7:
            raise self.error("as planned")
        return super().training_step(batch, batch_idx)


# On Ctrl-C new Lightnings exit, old ones warn and return.
CTRL_C = pytest.mark.filterwarnings("ignore:Detected KeyboardInterrupt")


@CTRL_C
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_everything_up_to_an_exception_is_kept(tmp_path: Path, error: type[BaseException]) -> None:
    callback = GramMatrixCallback(2, save_dir=tmp_path / "gram")

    run = trainer(tmp_path, [callback])

    with suppress(error, SystemExit):
        run.fit(Failing(error))

    assert run.interrupted
    assert steps(tmp_path) == [2, 4, 6]
    assert callback.outcomes == {"logged": 3}
    assert not monitor_threads()


def test_the_summary_says_what_became_of_the_steps(tmp_path: Path) -> None:
    good = GramMatrixCallback(4, save_dir=tmp_path / "gram")
    bad = GramMatrixCallback(4, "nope", save_dir=tmp_path / "gram")

    trainer(tmp_path, [good, bad]).fit(TinySSL())

    assert good.summary.startswith("teacher_cls_token: 3 logged, 0 skipped; training thread ")
    assert bad.summary.startswith("nope: 0 logged, 3 skipped (missing_key 3); training thread ")


class GivesNaN(TinySSL):
    """Returns features of which one row is NaN."""

    def training_step(self, batch: Tensor, batch_idx: int) -> Any:
        features = randn(8, 4)
        features[0] = float("nan")
        return {"loss": super().training_step(batch, batch_idx), "f": features}


def test_the_summary_counts_what_logged_events_lack(tmp_path: Path) -> None:
    callback = GramMatrixCallback(4, "f", save_dir=tmp_path / "gram")

    trainer(tmp_path, [callback]).fit(GivesNaN())

    assert callback.summary.startswith(
        "f: 3 logged (1 rows with NaN or Inf left out 3), 0 skipped; training thread "
    )


class CopiesItself(TinySSL):
    """Copies and pickles its model in the middle of every step, as an averaging callback would."""

    def training_step(self, batch: Tensor, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        self.copied = copy.deepcopy(self.model)
        pickle.loads(pickle.dumps(self.model))
        self.copied(batch)
        return loss


def test_a_watched_model_can_be_copied_and_pickled(tmp_path: Path) -> None:
    callback = GramMatrixCallback(1, save_dir=tmp_path / "gram")
    module = CopiesItself()

    trainer(tmp_path, [callback], max_steps=3).fit(module)

    assert callback.outcomes == {"logged": 3}
    assert [e["n"] for e in events(tmp_path / "gram")] == [8, 8, 8]


class CopiesCallbacks(pl.Callback):
    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        copy.deepcopy(trainer.callbacks[0])
        pickle.dumps(trainer.callbacks[0])


def test_a_callback_can_be_copied_and_pickled_while_it_watches(tmp_path: Path) -> None:
    callback = GramMatrixCallback(1, save_dir=tmp_path / "gram")

    trainer(tmp_path, [callback, CopiesCallbacks()], max_steps=2).fit(TinySSL())

    assert callback.outcomes == {"logged": 2}


class CopiesAtFour(pl.Callback):
    """Copies a callback while all its events are still under way."""

    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        if trainer.global_step == 4:
            watches = next(c for c in trainer.callbacks if isinstance(c, GramMatrixCallback))
            pickled = pickle.loads(pickle.dumps(watches))
            self.copies = [copy.copy(watches), copy.deepcopy(watches), pickled]


def test_a_copy_s_account_has_nothing_under_way(tmp_path: Path) -> None:
    callback = GramMatrixCallback(2, save_dir=tmp_path / "gram")
    copies = CopiesAtFour()
    trainer(tmp_path, [callback], max_steps=2).fit(TinySSL())

    trainer(tmp_path, [PausesDrawing(1.0), callback, copies], max_steps=4).fit(TinySSL())

    assert callback.outcomes == {"logged": 3}
    assert [c.state_dict()["outcomes"] for c in copies.copies] == [{"logged": 1}] * 3


class PausesDrawing(pl.Callback):
    """Nothing is drawn for a while."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def on_train_start(self, *args: Any) -> None:
        pause_drawing(self.seconds)


class CtrlC(pl.Callback):
    """Comes a moment after the training's end."""

    def on_train_end(self, *args: Any) -> None:
        threading.Timer(0.3, _thread.interrupt_main).start()


@CTRL_C
def test_ctrl_c_while_the_end_is_waited_for_loses_nothing_silently(tmp_path: Path) -> None:
    callback = GramMatrixCallback(4, save_dir=tmp_path / "gram")
    # Whoever starts the tests in the background has them ignore Ctrl-C.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    run = trainer(tmp_path, [PausesDrawing(10.0), CtrlC(), callback])

    with suppress(KeyboardInterrupt, SystemExit):
        run.fit(TinySSL())
    signal.signal(signal.SIGINT, before)

    assert run.interrupted
    assert callback.outcomes == {"shutdown": 3}
    assert [(e["step"], e["reason"]) for e in events(tmp_path / "gram")] == [
        (step, "shutdown") for step in (4, 8, 12)
    ]


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch")
def test_an_event_in_flight_when_a_checkpoint_is_saved_is_in_its_account(tmp_path: Path) -> None:
    class SavesAtFour(pl.Callback):
        def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
            if trainer.global_step == 4:
                trainer.save_checkpoint(tmp_path / "four.ckpt")

    first = GramMatrixCallback(2, save_dir=tmp_path / "gram")
    trainer(tmp_path, [PausesDrawing(1.0), first, SavesAtFour()], max_steps=8).fit(TinySSL())
    resumed = GramMatrixCallback(2, save_dir=tmp_path / "resumed")
    second = trainer(tmp_path, [resumed], max_steps=8)
    resume(second, TinySSL(), tmp_path / "four.ckpt")

    assert first.outcomes == {"logged": 4}
    assert resumed.outcomes == {"in_flight_at_checkpoint": 2, "logged": 2}
    assert resumed.last_step == 8


class NoMeeting(SingleDeviceStrategy):
    """Fails where the ranks are to meet."""

    def broadcast(self, obj: Any, src: int = 0) -> Any:
        if isinstance(obj, tuple):
            raise RuntimeError("planted")
        return obj


class LateMeeting(SingleDeviceStrategy):
    """Others come late to where the ranks are to meet."""

    def broadcast(self, obj: Any, src: int = 0) -> Any:
        time.sleep(0.5)
        return obj


def test_who_waits_for_the_other_ranks_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gramscope.callbacks.meeting._LONG_S", 0.1)
    callback = GramMatrixCallback(4, save_dir=tmp_path / "gram")

    trainer(tmp_path, [callback], strategy=LateMeeting("cpu")).fit(TinySSL())

    said = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert any(s.startswith("The gram callback of rank 0 for feature_key='teacher_") for s in said)
    assert callback.outcomes == {"logged": 3}


def test_a_run_that_cannot_start_watching_trains_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callbacks = [
        GramMatrixCallback(4, save_dir=tmp_path / "gram"),
        GramMatrixCallback(4, "student_cls_token", save_dir=tmp_path / "gram"),
    ]

    fit = trainer(tmp_path, list(callbacks), strategy=NoMeeting("cpu"))
    fit.fit(TinySSL())

    assert fit.global_step == 12
    said = [r.getMessage() for r in caplog.records if r.name.startswith("gramscope")]
    assert said[0] == "GramMatrixCallback stays off: it could not start: RuntimeError('planted')"
    assert [c.outcomes for c in callbacks] == [{}, {}]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="functions have no qualified names")
@pytest.mark.parametrize(
    "function",
    [("monitor/exchange.py", "Exchange.is_member"), ("monitor/engine.py", "Engine.join")],
)
def test_a_start_that_fails_halfway_leaves_nothing_behind(
    tmp_path: Path, function: tuple[str, str]
) -> None:
    callback = GramMatrixCallback(4, save_dir=tmp_path / "gram")

    with watching(function) as called:
        trainer(tmp_path, [callback]).fit(TinySSL())

    assert function in called
    assert callback.outcomes == {}
    assert not monitor_threads()
    assert not drawing_helpers()


class KillsDrawing(pl.Callback):
    """No helper lives."""

    def on_train_batch_end(self, *args: Any) -> None:
        for helper in drawing_helpers():
            with suppress(ProcessLookupError):  # it has come to its end meanwhile
                os.kill(helper, signal.SIGKILL)


def test_numbers_do_without_pictures(tmp_path: Path) -> None:
    callback = GramMatrixCallback(1, save_dir=tmp_path / "gram", max_pending=20)

    trainer(tmp_path, [callback, KillsDrawing()], max_steps=20).fit(TinySSL())

    found = events(tmp_path / "gram")
    assert callback.outcomes == {"logged": 20}
    assert any(event["reason"] == "render_failed" for event in found)
    for event in found:
        assert event["metrics"]["offdiag_std"] > 0
        assert (tmp_path / f"gram/gram_matrix/step_{event['step']:08d}.npz").is_file()


class Emergency(ModelCheckpoint):
    """Looks whether the monitor is still at work when a checkpoint is saved on an exception."""

    watched = False

    def on_exception(self, trainer: Any, *args: Any) -> None:
        self.watched = bool(monitor_threads())
        # As new Lightnings do, asked to `save_on_exception`.
        trainer.save_checkpoint(f"{self.dirpath}/emergency.ckpt")


def test_an_emergency_checkpoint_does_not_wait_for_pictures(tmp_path: Path) -> None:
    callback = GramMatrixCallback(2, save_dir=tmp_path / "gram", timeout_s=1.0)
    checkpoint = Emergency(tmp_path / "checkpoints")
    callbacks = [PausesDrawing(20.0), callback, checkpoint]
    run = trainer(tmp_path, callbacks, enable_checkpointing=True)

    with pytest.raises(RuntimeError, match="as planned"):
        run.fit(Failing(RuntimeError))

    assert checkpoint.watched
    assert list((tmp_path / "checkpoints").iterdir())
    assert sum(callback.outcomes.values()) == 3
    assert run.callbacks == callbacks
    assert not monitor_threads()
