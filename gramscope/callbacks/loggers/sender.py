"""What one logger gets of an event, on which thread."""

from __future__ import annotations

import io
from typing import Any

import PIL.Image

from gramscope.events import Event

__all__ = ["Sender", "image_of", "name_of_matrix"]


class Sender:
    """Hands events to one logger: their numbers, as every logger takes them.

    What it raises is told to whoever looks after it, and the event goes to the other loggers.

    Args:
        logger: A trainer's.
    """

    takes_images = False
    """Whether pictures can be handed over."""
    takes_files = False
    """Whether `send_matrix` does anything."""
    prepares = False
    """Whether `prepare` does anything."""

    def __init__(self, logger: Any) -> None:
        self.logger = logger

    @property
    def name(self) -> str:
        """What messages call the logger."""
        return type(self.logger).__name__

    @property
    def is_off(self) -> bool:
        """Whether somebody has switched the logger off, who then misses nothing."""
        return False

    def prepare(self, event: Event, step: int) -> Any:
        """Do what is slow about a picture, on a thread of the monitor's.

        Args:
            event: Drawn, and not published yet.
            step: Where it belongs on the logger's axis.

        Returns:
            What `send` gets of it.
        """

    def send_matrix(self, event: Event, npz: bytes) -> None:
        """Hand over the file of the matrix, on a thread of the monitor's."""

    def send(self, event: Event, numbers: dict[str, float], step: int, prepared: Any) -> None:
        """Hand over an event, on training's thread.

        Args:
            event: If there is a picture and it `takes_images`, that is wanted as well.
            numbers: The event's, by their keys in the logger.
            step: Where it belongs on the logger's axis.
            prepared: What `prepare` returned; ``None`` also where it failed or was not called.
        """
        if numbers:  # of a film there are none
            self.logger.log_metrics(numbers, step=step)

    def alert(self, title: str, text: str) -> None:
        """Say that an alarm has begun, if the logger has a way to say so."""


def image_of(event: Event) -> PIL.Image.Image:
    """The picture, decoded."""
    assert event.png is not None
    return PIL.Image.open(io.BytesIO(event.png)).convert("RGB")


def name_of_matrix(event: Event) -> str:
    """What the file of the matrix is called, as on disk."""
    return f"step_{event.step:08d}.npz"
