"""What goes from the training thread to the monitor thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch import Tensor

from gramscope.events import Event, Reason
from gramscope.monitor.buffers import BufferPool
from gramscope.monitor.capture import Chunk
from gramscope.monitor.finder import ViewFinder
from gramscope.monitor.identity import Known
from gramscope.monitor.place import Place
from gramscope.monitor.watch import Watch
from gramscope.picture.look import Look

if TYPE_CHECKING:
    from gramscope.monitor.numbers import Measured
    from gramscope.picture.strip import Strip

__all__ = ["Channel", "DueStep", "Measure"]

Measure = Callable[["DueStep", Mapping[str, Tensor], Known], "Measured"]
"""As `gramscope.monitor.numbers.measure`."""


@dataclass
class Channel:
    """What one monitor has of the engine that it may share: its names, and its events on return."""

    features: dict[str, str]
    """Keys of what it watches, by role; the role of a single feature is empty."""
    log_key: str
    name: str = ""
    """What it watches is called; empty: by its features."""
    metrics: str | tuple[str, ...] = "standard"
    """Which numbers."""
    look: Look = field(default_factory=Look)
    place: Place | None = None
    """Where events are kept; ``None``: nowhere."""
    prepare: Callable[[Event], Any] | None = None
    """Called with each drawn event, off the training thread; its result is `Event.prepared`."""
    finder: ViewFinder | None = None
    """Looks for views that nobody declared; where rows come together."""
    measure: Measure | None = None
    """Makes numbers and matrix of the rows; ``None``: as of any rows."""
    strip: Strip | None = None
    """Keeps frames of a film; ``None``: there is none."""
    watch: Watch | None = None
    """Follows the run's state; where rows come together."""
    finished: deque[Event] = field(default_factory=deque)
    """Events for the training thread to take."""
    pools: dict[str, BufferPool] = field(init=False)
    """By role, memory that the training thread fills and the monitor thread gives back."""

    def __post_init__(self) -> None:
        """Make all pools at once: two threads use them."""
        self.pools = {role: BufferPool(4) for role in self.features}

    @property
    def title(self) -> str:
        """What it watches, in a word."""
        return self.name or self.key

    @property
    def key(self) -> str:
        """The feature's key, or the roles of several."""
        return ", ".join(role or key for role, key in self.features.items())


@dataclass
class DueStep:
    """One rank's part of one due step."""

    channel: Channel
    step: int
    reason: Reason = Reason.none
    """Why this rank gives no rows."""
    chunks: list[Chunk] = field(default_factory=list)
    """This rank's rows on the host; complete once ``ready`` has returned."""
    lacking: dict[str, Reason] = field(default_factory=dict)
    """By role, why there are no rows of one."""
    remarks: list[str] = field(default_factory=list)
    """What was wrong with what this rank gives."""
    ready: Callable[[], None] | None = None
    """Waits until an accelerator has delivered the rows."""
    quota: int = 0
    """Rows that this rank is to give; 0 where others give them all."""
    alike: int | None = None
    """How many of a sample's views are of one crop type; ``None``: all."""
    draw: bool = True
    """Whether a picture is wanted, beside the numbers."""
    assignment: Mapping[str, Any] | None = None
    """How the model's logits become assignments, as `dino_assignment` says."""
    about: Any = None
    """What else is known of the rows, see `StepCapture.about`."""
    exchanged: bool = False
    """Whether the collective calls of this step have begun on this rank."""
    answered: bool = False
    """Whether they have ended."""

    @property
    def has_rows(self) -> bool:
        """Whether it counts as backlog while it waits."""
        return bool(self.chunks)
