"""The number beside the loss."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pytorch_lightning import Callback

from gramscope.callbacks import MonitorProgressBar
from gramscope.config.callbacks import GramMatrixConfig
from tests.support import TinySSL, trainer


class _Several(Callback):
    """Has watched several features together."""

    config = GramMatrixConfig()
    diagnosis = "dimensional_collapse"
    latest: ClassVar[dict[str, float]] = {
        "teacher/spread": 0.9,
        "teacher/offdiag_mean": 0.1234,
        "student/offdiag_mean": 0.5,
    }


def test_of_several_features_the_first_is_shown(tmp_path: Path) -> None:
    bar = MonitorProgressBar()
    fit = trainer(tmp_path, [_Several(), bar], enable_progress_bar=True, max_steps=1)

    fit.fit(TinySSL())

    shown = bar.get_metrics(fit, fit.lightning_module)
    assert shown["teacher/offdiag_mean"] == 0.123
    assert "student/offdiag_mean" not in shown
    assert shown["state"] == "dimensional_collapse"


def test_a_state_that_is_no_alarm_is_not_shown(tmp_path: Path) -> None:
    several, bar = _Several(), MonitorProgressBar()
    several.diagnosis = "healthy"
    fit = trainer(tmp_path, [several, bar], enable_progress_bar=True, max_steps=1)

    fit.fit(TinySSL())

    assert "state" not in bar.get_metrics(fit, fit.lightning_module)
