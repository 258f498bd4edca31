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
