"""What works for one callback during one fit, whatever its rows are taken of."""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing.util import Finalize
from typing import Any

from gramscope.callbacks.agreement import Agreement
from gramscope.callbacks.cadence import Cadence, last_step
from gramscope.callbacks.cost import Cost
from gramscope.callbacks.loggers import Publisher
from gramscope.callbacks.saying import warn_too_short
from gramscope.diagnosis import State
from gramscope.monitor import Monitor
from gramscope.monitor.capture import StepCapture

__all__ = ["Fit"]


@dataclass
class Fit:
    """From the batches of a fit to steps that are handed over."""

    monitor: Monitor
    publisher: Publisher
    agreement: Agreement
    cadence: Cadence
    cost: Cost
    at_exit: Finalize
    """Ends it in a launcher's process, where Lightning tells callbacks of no exception."""
    due: int | None = None
    """The due step that is still to be handed over."""
    trouble: Exception | None = None
    """What went wrong in the optimizer step under way."""
    end: State | None = None
    """The state because of which training is to end; on rank 0."""
    is_told: bool = False
    """Whether it was said that nothing will be due."""

    def start(self, trainer: Any) -> None:
        """Take up the count where the trainer has it."""
        self.cadence.start(trainer)
        last = last_step(trainer)
        self.is_told = bool(trainer.fast_dev_run)  # somebody tries whether things run at all
        if last is not None and last < self.cadence.next_due:
            self._tell("ends", last)

    def begin_batch(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Get ready for a batch."""
        raise NotImplementedError

    def end_batch(self, trainer: Any, outputs: Any) -> None:
        """Hand over what there is if the batch has completed a step that is due."""
        raise NotImplementedError

    def pause(self) -> None:
        """Let the step under way go, which the epoch's end or an exception has broken off."""

    def conclude(self) -> None:
        """Look at what training has come to, once it has ended."""

    def advance(self, trainer: Any) -> bool:
        """Whether an optimizer step was completed; notes it if that is due."""
        stepped, due = self.cadence.advance(trainer)
        if due:
            self.is_told = True
            self.due = trainer.global_step
            self.publisher.axis[self.due] = _logger_step(trainer)
        return stepped

    def hand_over(self, taken: StepCapture | Exception | None) -> None:
        """Submit the step that is due, if one is."""
        if self.due is not None:
            self.monitor.submit(self.due, taken, draw=self.cadence.draws)
            self.due = None

    def fail(self, trainer: Any, error: Exception) -> None:
        """Give up the rows of the step under way; if it is due, it ends as skipped."""
        self.pause()
        self.trouble = self.trouble or error
        self.advance(trainer)
        self.hand_over(error)

    def stop(self) -> None:
        """Stop listening, and say what is still to be said."""
        self.at_exit.cancel()
        self.pause()
        if self.cadence.completed:
            self._tell("has ended", self.cadence.step)

    def _tell(self, how: str, last: int) -> None:
        if self.monitor.is_root and not self.is_told:
            self.is_told = True
            cadence = self.cadence
            warn_too_short(self.monitor.title, how, last, cadence.next_due, cadence.setting)


def _logger_step(trainer: Any) -> int:
    """Lightning logs by batches that stepped, of which several optimizers make more steps."""
    loop = getattr(getattr(trainer, "fit_loop", None), "epoch_loop", None)
    batches = getattr(loop, "_batches_that_stepped", None)
    return int(trainer.global_step if batches is None else batches + 1)
