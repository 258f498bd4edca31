"""The engine: rows in, pictures and numbers out. Knows torch.distributed, knows no Lightning."""

from project.monitor.engine import METRICS, Engine
from project.monitor.event import Event
from project.monitor.monitor import Monitor

__all__ = ["METRICS", "Engine", "Event", "Monitor"]
