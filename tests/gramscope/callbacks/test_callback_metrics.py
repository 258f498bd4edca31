"""Lightning's own callbacks decide by events' numbers, and wait for the first."""

from __future__ import annotations

import csv
import importlib
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gramscope.callbacks import GramMatrixCallback
from tests.distributed.identical import digest
from tests.support import DIM, events

MEAN = "representation/offdiag_mean"
QUIET = {
    "accelerator": "cpu",
    "devices": 1,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "logger": False,
    "log_every_n_steps": 1,
    "max_epochs": -1,
    "num_sanity_val_steps": 1,
}


@pytest.fixture(scope="module", params=["lightning.pytorch", "pytorch_lightning"])
def lightning(request: pytest.FixtureRequest) -> Any:
    """Either copy of Lightning."""
    return importlib.import_module(request.param)


def scripted(lightning: Any, alike: list[float], schedule: Any = None) -> Any:
    """Shows features that are so much alike, step by step, in epochs of two steps."""

    class Scripted(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(DIM, DIM)

        def training_step(self, batch: Tensor, batch_idx: int) -> Any:
            generator = torch.Generator().manual_seed(self.global_step)
            features = torch.randn(8, DIM, generator=generator) + 9 * alike[self.global_step]
            return {"loss": self.layer(batch).square().mean(), "f": features}

        def validation_step(self, batch: Tensor, batch_idx: int) -> None:
            self.log("val/loss", self.layer(batch).square().mean())

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
            if schedule is None:
                return optimizer
            plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
            return [optimizer], [{"scheduler": plateau, "monitor": MEAN, **schedule}]

        def train_dataloader(self) -> Any:
            return torch.utils.data.DataLoader(torch.ones(4, DIM), batch_size=2)  # type: ignore[arg-type]

        val_dataloader = train_dataloader

    torch.manual_seed(3)
    return Scripted()


def watcher(directory: Path, every: int = 1) -> GramMatrixCallback:
    return GramMatrixCallback(
        1000, "f", metrics_every_n_steps=every, max_pending=100, save_dir=directory / "gram"
    )


def trainer(lightning: Any, directory: Path, callbacks: list[Any], **arguments: Any) -> Any:
    """One in which an event is finished before the step after its own ends."""

    class Waits(lightning.Callback):  # type: ignore[misc]
        def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
            for callback in trainer.callbacks:
                if isinstance(callback, GramMatrixCallback) and callback.engine is not None:
                    callback.engine.wait_idle(30)

    own = {"enable_checkpointing": any(hasattr(c, "save_top_k") for c in callbacks)}
    arguments = {**QUIET, **own, "default_root_dir": str(directory), **arguments}
    return lightning.Trainer(callbacks=[*callbacks, Waits()], **arguments)


def means(directory: Path) -> dict[int, float]:
    """By step, what events say."""
    return {e["step"]: e["metrics"]["offdiag_mean"] for e in events(directory / "gram")}


def test_a_checkpoint_is_of_the_best_number(lightning: Any, tmp_path: Path) -> None:
    keeper = lightning.callbacks.ModelCheckpoint(
        tmp_path,
        monitor=MEAN,
        every_n_train_steps=1,
        filename=f"{{step}} {{{MEAN}:.2f}}",
        auto_insert_metric_name=False,
    )
    callbacks = [keeper, watcher(tmp_path)]
    run = trainer(lightning, tmp_path, callbacks, max_steps=6, limit_val_batches=0)

    run.fit(scripted(lightning, [1, 0.5, 0, 0.5, 1, 1]))

    found = means(tmp_path)
    assert min(found, key=lambda step: found[step]) == 3
    assert keeper.best_model_score.item() == pytest.approx(found[3])
    assert Path(keeper.best_model_path).name == f"4 {found[3]:.2f}.ckpt", "known a step later"
    assert keeper.save_top_k == 1
    assert run.callback_metrics[MEAN].item() == pytest.approx(found[6])
    assert run.callback_metrics["representation/step"] == 6


def test_a_checkpoint_at_validation_waits_for_the_first_number(
    lightning: Any, tmp_path: Path
) -> None:
    keeper = lightning.callbacks.ModelCheckpoint(
        tmp_path, monitor=MEAN, save_top_k=-1, save_on_train_epoch_end=False
    )
    callbacks = [keeper, watcher(tmp_path, every=3)]
    run = trainer(lightning, tmp_path, callbacks, max_steps=8, val_check_interval=1)

    run.fit(scripted(lightning, [0.5] * 8))

    steps = sorted(int(path.stem.partition("step=")[2]) for path in tmp_path.glob("*.ckpt"))
    assert steps == [4, 5, 6, 7, 8]
    assert keeper.save_top_k == -1
    state = torch.load(keeper.best_model_path, weights_only=False)["callbacks"]
    (kept,) = (value for name, value in state.items() if name.startswith("ModelCheckpoint"))
    assert kept["monitor"] == MEAN


@pytest.mark.parametrize("first", [True, False], ids=["before ours", "after ours"])
def test_training_stops_early_by_a_number_that_comes_late(
    lightning: Any, tmp_path: Path, first: bool
) -> None:
    stops = lightning.callbacks.EarlyStopping(MEAN, patience=2, check_on_train_epoch_end=True)
    ours = watcher(tmp_path, every=3)
    callbacks = [stops, ours] if first else [ours, stops]
    run = trainer(lightning, tmp_path, callbacks, max_steps=40, limit_val_batches=0)

    run.fit(scripted(lightning, [0.0] * 3 + [0.5] * 40))

    # The number of step 3 is there at the end of step 4, the best; two epochs later none is better.
    assert run.global_step == 8
    assert stops.best_score.item() == pytest.approx(means(tmp_path)[3])
    assert stops.strict


@pytest.mark.filterwarnings("ignore:ReduceLROnPlateau conditioned on metric")
@pytest.mark.parametrize("interval", ["epoch", "step"])
def test_the_learning_rate_is_reduced_by_a_number(
    lightning: Any, tmp_path: Path, interval: str
) -> None:
    run = trainer(
        lightning, tmp_path, [watcher(tmp_path, every=3)], max_steps=8, limit_val_batches=0
    )
    module = scripted(lightning, [0.5] * 8, {"interval": interval})

    run.fit(module)

    (schedule,) = run.lr_scheduler_configs
    assert schedule.strict
    # It looks from step 4 on, and finds the same number until step 6 was finished, after step 7.
    looks = {"epoch": [3, 3, 6], "step": [3, 3, 3, 6, 6]}[interval]
    found = [means(tmp_path)[step] for step in looks]
    alone = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    expected = torch.optim.lr_scheduler.ReduceLROnPlateau(alone, patience=0)
    for value in found:
        expected.step(value)
    assert run.optimizers[0].param_groups[0]["lr"] == alone.param_groups[0]["lr"] < 0.1


def test_the_keys_are_those_of_loggers(lightning: Any, tmp_path: Path) -> None:
    logger = lightning.loggers.CSVLogger(tmp_path)
    run = trainer(
        lightning, tmp_path, [watcher(tmp_path)], max_steps=4, logger=logger, val_check_interval=2
    )

    run.fit(scripted(lightning, [0.5] * 4))

    with (Path(logger.log_dir) / "metrics.csv").open() as f:
        logged = {key for key in csv.DictReader(f).fieldnames or () if "/" in key}
    assert {*run.callback_metrics} - {"representation/step"} == logged
    assert {MEAN, "representation/diagnosis", "val/loss"} <= logged


def test_a_key_that_no_event_has_is_said_with_those_that_are_like_it(
    lightning: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stops = lightning.callbacks.EarlyStopping("representation/offdiag_meen")
    run = trainer(lightning, tmp_path, [stops, watcher(tmp_path)], max_steps=6, limit_val_batches=0)

    with caplog.at_level(logging.WARNING, "gramscope"):
        run.fit(scripted(lightning, [0.5] * 6))

    first, last = (r.getMessage() for r in caplog.records if "EarlyStopping" in r.getMessage())
    why = f"no event has such a number; there is {MEAN}, "
    start = "EarlyStopping looks at 'representation/offdiag_meen', which "
    assert first.startswith(f"{start}is not there: {why}")
    assert last.startswith(f"{start}was never there, so that it has done nothing: {why}")
    assert (run.global_step, stops.strict) == (6, True)


def test_who_has_waited_in_vain_says_so(
    lightning: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keeper = lightning.callbacks.ModelCheckpoint(tmp_path, monitor=MEAN)
    run = trainer(lightning, tmp_path, [keeper, watcher(tmp_path, every=100)], max_steps=4)

    with caplog.at_level(logging.WARNING, "gramscope"):
        run.fit(scripted(lightning, [0.5] * 4))

    (said,) = (r.getMessage() for r in caplog.records if "ModelCheckpoint" in r.getMessage())
    assert "which was never there" in said
    assert "one is due every 100 optimizer steps (`log_every_n_steps`, `metrics_every_" in said
    assert keeper.save_top_k == 1
    assert not [*tmp_path.glob("*.ckpt")]


def test_settings_are_as_before_after_an_exception(lightning: Any, tmp_path: Path) -> None:
    keeper = lightning.callbacks.ModelCheckpoint(tmp_path, monitor=MEAN, save_top_k=3)
    stops = lightning.callbacks.EarlyStopping(MEAN)
    callbacks = [keeper, stops, watcher(tmp_path, every=100)]
    run = trainer(lightning, tmp_path, callbacks, max_steps=4, limit_val_batches=0)
    seen = []

    class Fails(lightning.Callback):  # type: ignore[misc]
        def on_train_batch_start(self, *_: Any) -> None:
            seen.append((keeper.save_top_k, stops.strict))
            raise RuntimeError("as planned")

    run.callbacks.insert(0, Fails())
    with pytest.raises(RuntimeError, match="as planned"):
        run.fit(scripted(lightning, [0.5] * 4))

    assert seen == [(0, False)]
    assert (keeper.save_top_k, stops.strict) == (3, True)


def test_who_looks_at_other_numbers_is_let_be(lightning: Any, tmp_path: Path) -> None:
    stops = lightning.callbacks.EarlyStopping("val/los")
    run = trainer(lightning, tmp_path, [stops, watcher(tmp_path)], max_steps=4)

    with pytest.raises(RuntimeError, match=r"val/los.* which is not available"):
        run.fit(scripted(lightning, [0.5] * 4))


def test_who_waits_and_looks_alters_nothing_else(lightning: Any, tmp_path: Path) -> None:
    looking = [
        watcher(tmp_path, every=3),
        lightning.callbacks.EarlyStopping(MEAN, patience=100),
        lightning.callbacks.ModelCheckpoint(tmp_path, monitor=MEAN, every_n_train_steps=2),
    ]
    weights = []
    for callbacks in (looking, []):
        module = scripted(lightning, [0.5] * 8)
        trainer(lightning, tmp_path, callbacks, max_steps=8).fit(module)
        weights.append(digest(module.state_dict()))

    assert weights[0] == weights[1]


def test_the_last_numbers_are_in_the_summary(lightning: Any, tmp_path: Path) -> None:
    ours = watcher(tmp_path, every=2)
    run = trainer(lightning, tmp_path, [ours], max_steps=4, limit_val_batches=0)

    run.fit(scripted(lightning, [0.5] * 4))

    last = means(tmp_path)[4]
    assert f"; last numbers: offdiag_mean {last:.3f}, offdiag_std " in ours.summary
