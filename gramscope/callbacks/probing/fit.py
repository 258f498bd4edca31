"""A fit during which fixed samples are watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from gramscope.callbacks.fit import Fit
from gramscope.callbacks.probing.encoder import Encoder
from gramscope.monitor.capture import StepCapture

__all__ = ["ProbeFit"]


@dataclass(kw_only=True)
class ProbeFit(Fit):
    """Encodes the samples before the first step, at due ones, and after the last."""

    encoder: Encoder
    seen: int = -1
    """The step at which they were encoded last."""

    @override
    def start(self, trainer: Any) -> None:
        super().start(trainer)
        self.seen = trainer.global_step - 1

    @override
    def begin_batch(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Meet the samples; they are encoded before anything is learned, once in a run."""
        if self.encoder.has_met:
            return
        self.encoder.meet(batch)
        if trainer.global_step == 0 and not self.encoder.waits:
            self.look(0)

    @override
    def end_batch(self, trainer: Any, outputs: Any) -> None:
        if self.advance(trainer) and self.due is not None:
            self.seen = self.due
            self.hand_over(self.trouble or self._encoded())
        self.trouble = None

    @override
    def conclude(self) -> None:
        """Encode what training has come to, unless its last step was due."""
        if self.encoder.has_met and self.cadence.step > self.seen:
            self.look(self.cadence.step)

    def look(self, step: int) -> None:
        """Hand over an event of the weights as they are."""
        self.seen, self.is_told = step, True
        self.monitor.submit(step, self._encoded())

    def _encoded(self) -> StepCapture:
        """This rank's rows, whose cost is counted."""
        with self.cost:
            capture = self.encoder.encode()
            self.cost.end_step(due=True)
        return capture
