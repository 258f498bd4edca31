"""One event to all of a trainer's loggers, and what is said of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from gramscope.callbacks.loggers.sender import Sender
from gramscope.callbacks.loggers.senders import sender_for
from gramscope.diagnosis import State
from gramscope.events import Event, Reason

__all__ = ["Publisher", "numbers_of"]

log = logging.getLogger(__name__)


class _Prepared(NamedTuple):
    """What was done for one logger on the monitor's thread."""

    picture: Any = None
    """What `Sender.prepare` returned."""
    no_picture: Exception | None = None
    """What it raised."""
    no_matrix: Exception | None = None
    """What `Sender.send_matrix` raised."""


class Publisher:
    """Hands events to all of a trainer's loggers, and says what is wrong; never raises.

    Args:
        loggers: The trainer's.
        prefix: Of the keys of numbers.
        of: What is watched, where a state does not say it; empty: nothing is to be added.
        alert: Whether to say that an alarm has begun or ended.
        log_matrix: Whether loggers that take files get the matrix itself as well.
    """

    def __init__(
        self,
        loggers: Sequence[Any],
        prefix: str,
        of: str = "",
        *,
        alert: bool = False,
        log_matrix: bool = False,
    ) -> None:
        self._senders = [sender_for(logger) for logger in loggers]
        self._prefix = prefix
        self._of = of
        self._alert = alert
        self._log_matrix = log_matrix
        self._warned: set[str] = set()
        self.axis: dict[int, int] = {}
        """By optimizer step, where an event belongs on the axis of what the module logs."""

    def __call__(self, event: Event) -> None:
        """Hand over one event.

        One whose picture nobody took and that is not on disk either ends as skipped.
        """
        step = self.axis.pop(event.step, event.step)
        if self._alert and event.state is not None and event.change is not None:
            self._announce(event, event.state)
        numbers = {f"{self._prefix}/{name}": value for name, value in numbers_of(event).items()}
        if not event.logged and not numbers:
            return
        taken = [
            self._hand_over(sender, event, numbers, step, done)
            for sender, done in self._with_prepared(event)
        ]
        if event.logged and not event.kept and not any(taken):
            event.skip(Reason.not_taken)
        if event.film is not None:
            for sender, done in self._with_prepared(event.film):
                if sender.takes_images:
                    self._hand_over(sender, event.film, {}, step, done)

    def _with_prepared(self, event: Event) -> Iterable[tuple[Sender, _Prepared]]:
        """Each sender, and what was prepared for it."""
        prepared = event.prepared or [_Prepared() for _ in self._senders]
        return zip(self._senders, prepared, strict=True)

    @property
    def prepare(self) -> Callable[[Event], Any] | None:
        """Does what is slow about a drawn event, where training's thread is spared it.

        ``None`` where no logger has a use for it.
        """
        return self._prepare if any(map(self._has_to_prepare, self._senders)) else None

    def _has_to_prepare(self, sender: Sender) -> bool:
        return not sender.is_off and (sender.prepares or (self._log_matrix and sender.takes_files))

    def _prepare(self, event: Event) -> list[_Prepared]:
        step = self.axis.get(event.step, event.step)
        npz = event.matrix.npz() if self._log_matrix and event.matrix is not None else None
        return [
            _prepared(sender, event, step, npz) if self._has_to_prepare(sender) else _Prepared()
            for sender in self._senders
        ]

    def _announce(self, event: Event, state: State) -> None:
        """Say what has ended, and what has begun."""
        start = f"{self._of}: " if self._of else ""
        if event.before is not None and event.before.alarm:
            log.info("%s%s has ended at step %d.", start, event.before.title, event.step)
        if not state.alarm:
            return
        log.warning("%s%s", start, state.text)
        for sender in self._senders:
            if not sender.is_off:
                try:
                    sender.alert(f"{start}{state.title}", state.text)
                except Exception as error:
                    self._failed(sender, event, error)

    def _hand_over(
        self, sender: Sender, event: Event, numbers: dict[str, float], step: int, done: _Prepared
    ) -> bool:
        """Whether the picture is where it was to go."""
        if sender.is_off:
            return True  # by somebody who wants none
        not_sent = _raised(lambda: sender.send(event, numbers, step, done.picture))
        for error in filter(None, (done.no_picture, done.no_matrix, not_sent)):
            self._failed(sender, event, error)
        is_lost = done.no_picture is not None or not_sent is not None
        return not is_lost and (sender.takes_images or event.png is None)

    def _failed(self, sender: Sender, event: Event, error: Exception) -> None:
        remark = f"{Reason.publish_failed.name}: {sender.name}"
        if remark not in (event.reason or "").split("; "):
            event.remark(remark)
        failure = f"{sender.name} failed with {error!r}"
        if failure not in self._warned:
            self._warned.add(failure)
            log.warning("%s at step %d; training goes on.", failure, event.step)


def numbers_of(event: Event) -> dict[str, float]:
    """The numbers of a logged event, and the state's code of any that has one."""
    state = {} if event.state is None else {"diagnosis": event.state.code}
    return {**(event.metrics if event.logged else {}), **state}


def _prepared(sender: Sender, event: Event, step: int, npz: bytes | None) -> _Prepared:
    """Both though one fails: a matrix says more than its picture."""
    found: list[Any] = []
    no_picture = _raised(lambda: found.append(sender.prepare(event, step)))
    no_matrix = None if npz is None else _raised(lambda: sender.send_matrix(event, npz))
    return _Prepared(found[0] if found else None, no_picture, no_matrix)


def _raised(call: Callable[[], None]) -> Exception | None:
    """What a logger's code raises."""
    try:
        call()
    except Exception as error:
        return error
    return None
