"""A fit of which the rows of training's own steps are watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from gramscope.callbacks.fit import Fit
from gramscope.callbacks.rehearsal import Rehearsal
from gramscope.callbacks.source import FeatureSource

__all__ = ["StepFit"]


@dataclass(kw_only=True)
class StepFit(Fit):
    """From the batches of a fit to steps that are handed over."""

    source: FeatureSource
    rehearsal: Rehearsal

    @override
    def begin_batch(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Listen to a batch whose step may be due, or is to be looked at."""
        foreseen = self.cadence.may_be_due() or self.rehearsal.wants(self.cadence.completed)
        if self.source.collecting or foreseen:
            with self.cost:
                micro_batches = self.cadence.micro_batches(trainer, pl_module, batch_idx)
                self.source.begin(batch, micro_batches)

    @override
    def end_batch(self, trainer: Any, outputs: Any) -> None:
        with self.cost:
            self.source.end(outputs)
            if self.advance(trainer):
                capture = self.source.take()
                self.cost.end_step(due=self.due is not None)
                self.rehearsal.end(self.cadence.step, capture, due=self.due is not None)
                self.hand_over(self.trouble or capture)
                self.trouble = None

    @override
    def pause(self) -> None:
        self.source.stop()

    @override
    def fail(self, trainer: Any, error: Exception) -> None:
        self.rehearsal.stop()
        super().fail(trainer, error)

    @override
    def stop(self) -> None:
        self.rehearsal.close()
        super().stop()
