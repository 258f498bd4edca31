"""What goes from the training thread to the monitor thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from gramscope.events import Event, Reason
from gramscope.monitor.buffers import BufferPool

__all__ = ["Channel", "DueStep"]


@dataclass
class Channel:
    """What one monitor has of the engine that it may share: its names, and its events on return."""

    feature_key: str
    log_key: str
    save_dir: Path | None = None
    """Where events are kept; ``None``: nowhere."""
    prepare: Callable[[Event], Any] | None = None
    """Called with each drawn event, off the training thread; its result is `Event.prepared`."""
    finished: deque[Event] = field(default_factory=deque)
    """Events for the training thread to take."""
    pool: BufferPool = field(default_factory=lambda: BufferPool(4))
    """Memory for rows, which the training thread fills and the monitor thread gives back."""


@dataclass
class DueStep:
    """One rank's part of one due step."""

    channel: Channel
    step: int
    reason: Reason = Reason.none
    """Why this rank gives no rows."""
    chunks: list[Tensor] = field(default_factory=list)
    """This rank's rows on the host, ``[k, D]`` each; complete once ``ready`` has returned."""
    ready: Callable[[], None] | None = None
    """Waits until an accelerator has delivered the rows."""
    spacing: tuple[int, int] = (0, 0)
    """See `Exchange.gather`."""
    quota: int = 0
    """Rows that this rank is to give; 0 where others give them all."""
    exchanged: bool = False
    """Whether the collective calls of this step have begun on this rank."""
    answered: bool = False
    """Whether they have ended."""

    @property
    def has_rows(self) -> bool:
        """Whether it counts as backlog while it waits."""
        return bool(self.chunks)
