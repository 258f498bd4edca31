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
    """

    def __init__(self, source: FeatureSource, monitor: Monitor) -> None:
        self._source = source
        self._monitor = monitor
        self._first: tuple[int, StepCapture] | None = None
        self._over = False
        self._said = False

    @property
    def wanted(self) -> bool:
        """Whether the step that begins is to be looked at."""
        return not self._over and self._source.can_collect

    def end(self, step: int, capture: StepCapture | None, *, due: bool) -> None:
        """Look at what was taken of a step; a due one speaks for itself."""
        if self._over or capture is None:
            return
        if self._first is None and _is_not_called(capture):
            self._first, self._said = (step, capture), due
            self._source.call_roll()
            return
        self._over = True
        for note in capture.notes:
            say(f"{self._monitor.title}: {note}.")
        if self._said and _is_not_called(capture):
            say(f"{self._monitor.title}: {capture.error}.")
        elif not due:
            self._monitor.rehearsed(step, capture)

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
