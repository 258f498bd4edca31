"""The gram matrix of one sample's patches over time, for Lightning."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from typing_extensions import override

from gramscope.callbacks.probing.callback import ProbeCallback
from gramscope.callbacks.probing.readers import PatchReader, Reader
from gramscope.config.callbacks import ColorRange, Order, Panel
from gramscope.config.probes import GramPatchConfig
from gramscope.config.settings import configured_by
from gramscope.diagnosis.dense import DenseCourse
from gramscope.monitor.boundary import guarded
from gramscope.monitor.due_step import Measure
from gramscope.monitor.patches import OfPatches

__all__ = ["GramPatchCallback"]


@configured_by(GramPatchConfig)
class GramPatchCallback(ProbeCallback):
    """Logs how alike the patches of a fixed sample are, to one another and over its image.

    Samples are encoded as `GramProbeCallback` does. Numbers are of the patches of all of them: of
    outlying length, how alike and how well told apart (the terms of dense degradation), how far
    their gram matrix has moved, and from the step at which they were best; and those of the class
    tokens, ``class/…``. Where patches fall while the class token does not, the diagnosis says so.

    A value out of range raises ValueError, one of the wrong type TypeError.
    """

    def __init__(
        self,
        log_every_n_steps: int = 100,
        feature_key: str = "teacher_patch_tokens_backbone",
        max_samples: int = 16,
        *,
        name: str | None = None,
        log_key: str = "gram_patch",
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
        samples: str | os.PathLike[str] = "auto",
        input_key: str | None = None,
        batch_size: int = 16,
        prefix_tokens: int = 0,
        class_key: str | None = "teacher_cls_token_backbone",
        raw_key: str | None = None,
        mask_key: str | None = None,
        image_key: str = "image",
        grid: Sequence[int] | None = None,
        sample: int = 0,
        patch: int | Sequence[int] | None = None,
    ) -> None:
        super().__init__(GramPatchConfig.of(locals()))

    @property
    @override
    @guarded(list)
    def findings(self) -> list[tuple[str, str]]:
        """The diagnosis, and at which step the patches were best: that makes a gram teacher."""
        found = super().findings
        best = DenseCourse.recall(self._earlier.memory).best if self._earlier.memory else None
        return found + ([("gram teacher", best.text)] if best is not None else [])

    @override
    def _reader(self) -> Reader:
        config: Any = self.config
        return PatchReader(config)

    @override
    def _measure(self) -> Measure:
        return OfPatches(self._earlier)
