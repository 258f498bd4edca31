"""The engine: rows in, pictures and numbers out. Knows torch.distributed, knows no Lightning."""

from gramscope.events import Event
from gramscope.monitor.engine import Engine
from gramscope.monitor.monitor import Monitor

__all__ = ["Engine", "Event", "Monitor"]
