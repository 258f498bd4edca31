"""The engine: rows in, pictures and numbers out. Knows torch.distributed, knows no Lightning."""

from gramscope.monitor.engine import METRICS, Engine
from gramscope.events.event import Event
from gramscope.monitor.monitor import Monitor

__all__ = ["METRICS", "Engine", "Event", "Monitor"]
