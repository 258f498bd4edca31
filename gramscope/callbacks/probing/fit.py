"""A fit during which fixed samples are watched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from gramscope.callbacks.cadence import last_step
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
    last: int | None = None
    """The one with which training ends, as far as is known: it has a picture in any case."""

    @override
    def start(self, trainer: Any) -> None:
        super().start(trainer)
        self.seen, self.last = trainer.global_step - 1, last_step(trainer)

    @override
    def begin_batch(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Meet the samples; they are encoded before anything is learned, once in a run."""
        if self.encoder.has_met:
            return
        self.encoder.meet(batch)
        if trainer.global_step == 0 and not self.encoder.sharded:
            self.look(0)

    @override
    def end_batch(self, trainer: Any, outputs: Any) -> None:
        if self.advance(trainer) and self.due is not None:
            encoded = self._encoded()  # in any case: other ranks may need this one's passes
            self.hand_over(self.trouble or encoded)
        self.trouble = None

    @override
    def conclude(self) -> None:
        """Encode what training has come to, unless its last step was due."""
        if self.encoder.has_met and self.cadence.step > self.seen:
            self.look(self.cadence.step)

    def look(self, step: int) -> None:
        """Hand over an event of the weights as they are."""
        self.due, self.is_told, self.cadence.draws = step, True, True
        self.hand_over(self._encoded())

    @override
    def hand_over(self, taken: StepCapture | Exception | None) -> None:
        if self.due is not None:
            self.seen = self.due
            self.cadence.draws |= self.due == self.last
        super().hand_over(taken)

    @override
    def fail(self, trainer: Any, error: Exception) -> None:
        step = self.seen
        super().fail(trainer, error)
        if self.seen > step:
            self.encoder.accompany()

    def _encoded(self) -> StepCapture:
        """This rank's rows, whose cost is counted."""
        with self.cost:
            capture = self.encoder.encode()
            self.cost.end_step(due=True)
        return capture
