"""Several features of a model, for Lightning."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from gramscope.callbacks.base import MonitorCallback
from gramscope.config.callbacks import (
    Calls,
    Capture,
    ColorRange,
    Order,
    Panel,
    RepresentationMonitorConfig,
)
from gramscope.config.settings import configured_by
from gramscope.config.views import Views

__all__ = ["RepresentationMonitor"]


@configured_by(RepresentationMonitorConfig)
class RepresentationMonitor(MonitorCallback):
    """Watches several features of the same rows, with one capture and one exchange.

    As `GramMatrixCallback` does of one feature, it logs the gram matrices, side by side in one
    picture, and the numbers of each, ``representation/<role>/<number>``; and beside them what only
    several features can say: how alike teacher and student are, and head and backbone. A model
    that says how its logits become assignments (`dino_assignment`) gets the numbers of those too.

    A value out of range raises ValueError, one of the wrong type TypeError.
    """

    def __init__(
        self,
        log_every_n_steps: int = 100,
        features: Mapping[str, str] = RepresentationMonitorConfig().features,
        max_samples: int = 128,
        *,
        name: str | None = None,
        log_key: str = "gram_matrices",
        module: str | None = None,
        metrics_every_n_steps: int | None = 10,
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
        super().__init__(RepresentationMonitorConfig.of(locals()))
