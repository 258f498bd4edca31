"""The gram matrix of the same samples over time, for Lightning."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from typing_extensions import override

from gramscope.callbacks.probing.callback import ProbeCallback
from gramscope.callbacks.probing.readers import Reader
from gramscope.config.callbacks import ColorRange, Order, Panel
from gramscope.config.probes import GramProbeConfig
from gramscope.config.settings import configured_by
from gramscope.monitor.due_step import Measure
from gramscope.monitor.probe import OverTime

__all__ = ["GramProbeCallback"]


@configured_by(GramProbeConfig)
class GramProbeCallback(ProbeCallback):
    """Logs the gram matrix of fixed samples, so that one sees a representation move.

    The samples, held-out ones where there are some, are encoded before the first step, at every
    due step and after the last, by a forward pass in evaluation mode that leaves no trace: weights,
    buffers and random numbers of training are those of a training without it. Beside the numbers
    that `GramMatrixCallback` has there is how far the matrix has moved, and which neighbours were
    gained and lost; and a film of all of it. In `trainer.validate` the weights that are validated
    are looked at once; see `probe_checkpoints`.

    A value out of range raises ValueError, one of the wrong type TypeError.
    """

    def __init__(
        self,
        log_every_n_steps: int = 100,
        feature_key: str = "teacher_cls_token_backbone",
        max_samples: int = 64,
        *,
        name: str | None = None,
        log_key: str = "gram_probe",
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
        samples: str | os.PathLike[str] = "auto",
        input_key: str | None = None,
        batch_size: int = 16,
    ) -> None:
        super().__init__(GramProbeConfig.of(locals()))

    @override
    def _reader(self) -> Reader:
        return Reader()

    @override
    def _measure(self) -> Measure:
        return OverTime(self._earlier)
