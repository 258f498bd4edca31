"""What is on disk of a run's events: names, schema, writing, reading. NumPy at most."""

from gramscope.events.event import Event
from gramscope.events.matrix import Matrix
from gramscope.events.reasons import Reason

__all__ = ["Event", "Matrix", "Reason"]
