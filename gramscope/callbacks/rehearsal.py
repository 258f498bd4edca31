"""A look at the first optimizer step, so that what is wrong is said there and not at a due one."""

from __future__ import annotations

from gramscope.callbacks.saying import say
from gramscope.callbacks.source import FeatureSource
from gramscope.events import Reason
from gramscope.monitor import Monitor
from gramscope.monitor.capture import StepCapture

__all__ = ["Rehearsal"]


class Rehearsal:
    """Has the rows of a step taken that is not due, and says what is wrong with them.

    It is no event and counts nowhere. Where the watched module has not run, the step after it is
    looked at as well, to name some modules that do.

    Args:
        source: Takes the rows.
        monitor: Says what is wrong.
        extra: Whether the rows are had by a forward pass of their own.
    """

    def __init__(self, source: FeatureSource, monitor: Monitor, *, extra: bool) -> None:
        self._source = source
        self._extra = extra
        self._monitor = monitor
        self._first: tuple[int, StepCapture] | None = None
        self._over = False
        self._said = False

    def wants(self, completed: int) -> bool:
        """Whether a step is to be looked at before which so many were completed.

        Of forward passes of its own this depends on nothing else: with a sharded model, which takes
        none before the training's first one, all ranks must make them together.
        """
        if self._extra:
            return completed == 1
        return not self._over and completed < 2

    def end(self, step: int, capture: StepCapture | None, *, due: bool) -> None:
        """Look at what was taken of a step; a due one speaks for itself."""
        if self._over or capture is None:
            return
        if self._first is None and _is_not_called(capture):
            self._first, self._said = (step, capture), due
            self._source.call_roll()
            return
        self._over = True
        self._source.end_roll()
        notes = [*capture.notes]
        if self._said and _is_not_called(capture):
            notes.append(str(capture.error))
        elif not due:
            self._monitor.rehearsed(step, capture)
        for note in notes if self._monitor.is_root else ():
            say(f"{self._monitor.title}: {note}.")

    def stop(self) -> None:
        """Look at no other step."""
        self._over = True

    def close(self) -> None:
        """Say what is still to be said where no other step has come."""
        if self._first is not None and not (self._over or self._said):
            self._monitor.rehearsed(*self._first)
        self._over = True


def _is_not_called(capture: StepCapture) -> bool:
    return capture.error is not None and capture.error.reason is Reason.not_called
