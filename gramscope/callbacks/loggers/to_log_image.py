"""Pictures for a logger nobody has heard of, by its `log_image`."""

from __future__ import annotations

import inspect
from contextlib import suppress
from typing import Any

from typing_extensions import override

from gramscope.callbacks.loggers.sender import Sender, image_of
from gramscope.events import Event

__all__ = ["ToLogImage"]


class ToLogImage(Sender):
    """For loggers whose `log_image` can be called as that of WandbLogger."""

    takes_images = True

    @staticmethod
    def suits(logger: Any) -> bool:
        """Whether a logger is one of these."""
        return _takes(logger, key="", images=[])

    @override
    def send(self, event: Event, numbers: dict[str, float], step: int, prepared: Any) -> None:
        if event.png is not None:
            image = str(event.picture) if event.picture else image_of(event)
            at = {"step": step} if _takes(self.logger, key="", images=[], step=0) else {}
            self.logger.log_image(key=event.log_key, images=[image], **at)
        super().send(event, numbers, step, prepared)


def _takes(logger: Any, **arguments: Any) -> bool:
    """Whether a logger has a `log_image` that can be called so."""
    with suppress(AttributeError, TypeError, ValueError):
        inspect.signature(logger.log_image).bind(**arguments)
        return True
    return False
