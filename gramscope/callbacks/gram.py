"""The gram matrix of a feature, for Lightning."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from gramscope.callbacks.base import MonitorCallback
from gramscope.config.callbacks import Calls, Capture, ColorRange, GramMatrixConfig, Order, Panel
from gramscope.config.settings import configured_by
from gramscope.config.views import Views

__all__ = ["GramMatrixCallback"]


@configured_by(GramMatrixConfig)
class GramMatrixCallback(MonitorCallback):
    """Logs the cosine similarities of a batch's features, gathered over all ranks, as a heatmap.

    At every optimizer step whose ``global_step`` is a multiple of ``log_every_n_steps`` each rank
    copies its share of the rows of a feature that the training step computes anyway. All else
    happens beside training: the ranks' monitor threads bring the rows together, rank 0 computes
    the gram matrix and the numbers, a helper process draws the picture,
    and a later hook hands both to the trainer's loggers. Training is neither stopped nor altered
    by anything that goes wrong on the way: a due step without a picture is counted, with its
    reason.

    Several of them in one trainer share one thread, one process group and one helper process.
    A value out of range raises ValueError, one of the wrong type TypeError.
    """

    def __init__(
        self,
        log_every_n_steps: int = 100,
        feature_key: str = "teacher_cls_token",
        max_samples: int = 128,
        *,
        name: str | None = None,
        log_key: str = "gram_matrix",
        module: str | None = None,
        metrics_every_n_steps: int | None = None,
        sample_id_key: str | None = None,
        label_key: str | None = None,
        order: str | Order = "rank",
        color_range: str | ColorRange = "fixed",
        panels: Sequence[str | Panel] = (),
        save_dir: str | os.PathLike[str] | None = None,
        save_limit_mb: float | None = 1000.0,
        log_matrix: bool = False,
        alert: bool = True,
        stop_on: Sequence[str] = (),
        thresholds: Mapping[str, float] | None = None,
        max_pending: int = 8,
        timeout_s: float = 60.0,
        pool: str | int = "cls",
        metrics: str | Sequence[str] = "standard",
        views: int | Mapping[str, Any] | Views | None = None,
        capture: str | Capture = "auto",
        calls: str | Calls = "first",
    ) -> None:
        super().__init__(GramMatrixConfig.of(locals()))
