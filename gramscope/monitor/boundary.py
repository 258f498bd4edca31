"""The one door between training and this project.

Every entry from training (a hook, a property that a logger reads, a call of a plain loop) goes
through it; nothing behind it needs to catch anything for training's sake.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

__all__ = ["guarded"]

log = logging.getLogger(__name__)

Entry = TypeVar("Entry", bound=Callable[..., Any])


def guarded(
    otherwise: Callable[[], Any] = lambda: None, *, by: str = "recover"
) -> Callable[[Entry], Entry]:
    """Keep from the caller whatever a method raises.

    The object's method ``by`` is told of it, with the method's arguments, says so and brings
    things in order; if that fails too, its `give_up` lets go of everything. Ctrl-C goes through.

    Args:
        otherwise: Makes what the caller gets instead.
        by: Name of the method that recovers.
    """

    def decorate(entry: Entry) -> Entry:
        @functools.wraps(entry)
        def enter(self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                return entry(self, *args, **kwargs)
            except Exception as error:
                _contain(self, by, error, args, kwargs)
                return otherwise()

        return cast(Entry, enter)

    return decorate


def _contain(entered: Any, by: str, error: Exception, args: Any, kwargs: Any) -> None:
    try:
        getattr(entered, by)(error, *args, **kwargs)
    except Exception as again:
        with suppress(Exception):
            log.warning("%s gives up: %r. Training goes on.", type(entered).__name__, again)
            entered.give_up()
