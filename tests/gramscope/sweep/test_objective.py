"""The number that a job returns to a sweeper."""

import logging
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback

import gramscope
from gramscope.callbacks import GramMatrixCallback
from gramscope.config.callbacks import RepresentationMonitorConfig
from gramscope.config.instantiate import ConfigError
from gramscope.sweep.objective import check_objective
from tests.support import TinySSL, events, trainer


def fitted(tmp_path: Path, *callbacks: GramMatrixCallback, **arguments: Any) -> Any:
    """A trainer after `fit`."""
    fit = trainer(tmp_path, list(callbacks), **arguments)
    fit.fit(TinySSL())
    return fit


def test_a_gram_metric_is_that_of_the_last_event(tmp_path: Path) -> None:
    fit = fitted(tmp_path, GramMatrixCallback(4, save_dir=tmp_path / "gram"))

    last = events(tmp_path / "gram")[-1]
    assert last["step"] == 12
    value = gramscope.objective(fit, "representation/offdiag_std")
    assert value == last["metrics"]["offdiag_std"]


def test_with_several_features_the_key_names_one(tmp_path: Path) -> None:
    student = GramMatrixCallback(4, "student_cls_token")
    fit = fitted(tmp_path, GramMatrixCallback(4), student)

    value = gramscope.objective(fit, "representation/student_cls_token/offdiag_min")

    assert value == student.latest["offdiag_min"]


def together(
    latest: dict[str, float] | None = None, metrics_every_n_steps: int | None = None
) -> Any:
    """A callback that watches two features together."""
    config = RepresentationMonitorConfig(
        log_every_n_steps=20,
        features={"teacher": "t", "student": "s"},
        metrics_every_n_steps=metrics_every_n_steps,
    )
    return SimpleNamespace(config=config, latest=latest or {})


def test_of_features_that_are_watched_together_the_key_names_one() -> None:
    latest = {"student/lidar": 0.5, "teacher_student_cka": 0.25}
    callbacks = [together(latest), Callback()]
    fit = SimpleNamespace(is_global_zero=True, callback_metrics={}, callbacks=callbacks)

    keys = [f"representation/{key}" for key in latest]
    assert gramscope.objective(fit, keys) == [0.5, 0.25]
    assert gramscope.objective(fit, "representation/teacher/lidar") is None
    with pytest.raises(ConfigError, match="representation/other/lidar"):
        gramscope.objective(fit, "representation/other/lidar")


def test_what_the_module_logged_counts_too(tmp_path: Path) -> None:
    fit = fitted(tmp_path)

    assert gramscope.objective(fit, "train/loss") == fit.callback_metrics["train/loss"].item()


def test_no_name_no_number(tmp_path: Path) -> None:
    assert gramscope.objective(fitted(tmp_path), None) is None


def test_an_unknown_name_is_answered_with_what_there_is(tmp_path: Path) -> None:
    fit = fitted(tmp_path, GramMatrixCallback(4))

    with pytest.raises(ConfigError, match=r"'representation/rank'.*representation/offdiag_mean"):
        gramscope.objective(fit, "representation/rank")


def test_several_names_give_several_numbers(tmp_path: Path) -> None:
    fit = fitted(tmp_path, GramMatrixCallback(4))

    values = gramscope.objective(fit, ["train/loss", "representation/offdiag_max"])

    assert isinstance(values, list)
    assert values[0] == fit.callback_metrics["train/loss"].item()


def test_infinity_is_no_number_either(tmp_path: Path) -> None:
    fit = fitted(tmp_path)
    fit.callback_metrics["train/loss"] = torch.tensor(torch.inf)

    assert gramscope.objective(fit, "train/loss") is None


class TestBeforeTraining:
    """`check_objective`."""

    STUDENT = "representation/student_cls_token/offdiag_std"

    def callbacks(self) -> list[Any]:
        """Two features."""
        return [GramMatrixCallback(10), GramMatrixCallback(20, "student_cls_token"), Callback()]

    def test_what_will_be_there_passes(self) -> None:
        check_objective(self.STUDENT, self.callbacks(), 20)
        check_objective(["train/loss", self.STUDENT], self.callbacks(), -1)
        check_objective("representation/offdiag_mean", self.callbacks()[:1], 10)
        check_objective(None, [], 1)

    def test_a_name_that_will_not_be_there(self) -> None:
        with pytest.raises(ConfigError, match=rf"representation/offdiag_std.*{self.STUDENT}"):
            check_objective("representation/offdiag_std", self.callbacks(), 100)

    @pytest.mark.parametrize(
        ("key", "there"),
        [
            ("student/lidar", True),
            ("teacher_student_cka", True),
            ("head/teacher_student_cka", True),
            ("other/lidar", False),
            ("lidar", False),
            ("student/nothing", False),
        ],
    )
    def test_features_that_are_watched_together(self, key: str, there: bool) -> None:
        refused = pytest.raises(ConfigError, match="representation/student/offdiag_mean")
        with nullcontext() if there else refused:
            check_objective(f"representation/{key}", [together()], 20)

    def test_numbers_may_be_due_more_often_than_pictures(self) -> None:
        key = "representation/student/lidar"
        check_objective(key, [together(metrics_every_n_steps=10)], 10)
        with pytest.raises(ConfigError, match=r"takes 9 optimizer steps.*due every 10"):
            check_objective(key, [together(metrics_every_n_steps=10)], 9)

    def test_of_one_feature_no_other_is_named(self) -> None:
        with pytest.raises(ConfigError, match="representation/teacher/lidar"):
            check_objective("representation/teacher/lidar", self.callbacks()[:1], 20)

    def test_no_gram_callback(self) -> None:
        with pytest.raises(ConfigError, match="none without a gram callback"):
            check_objective("representation/offdiag_std", [], 100)

    def test_a_job_too_short_for_a_gram_matrix(self) -> None:
        with pytest.raises(ConfigError, match=r"takes 19 optimizer steps.*due every 20"):
            check_objective(self.STUDENT, self.callbacks(), 19)


@pytest.mark.parametrize("why", ["never due", "diverged"])
def test_a_run_without_the_number_returns_none_and_says_so(
    why: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callback = GramMatrixCallback(100 if why == "never due" else 4)
    fit = trainer(tmp_path, [callback, *([_Diverge()] if why == "diverged" else [])])
    fit.fit(TinySSL())

    with caplog.at_level(logging.WARNING, "gramscope.sweep.objective"):
        assert gramscope.objective(fit, "representation/offdiag_mean") is None

    assert "representation/offdiag_mean has no value" in caplog.text
    # Not the numbers of a time before it diverged.
    assert (callback.outcomes.get("logged", 0) > 0) == (why == "diverged")
    assert callback.latest == {}


class _Diverge(Callback):
    """Makes every weight NaN after step 8."""

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *arguments: Any) -> None:
        if trainer.global_step == 8:
            with torch.no_grad():
                for parameter in pl_module.parameters():
                    parameter.fill_(torch.nan)
