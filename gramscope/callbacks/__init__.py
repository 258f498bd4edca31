"""Lightning callbacks that watch a representation while it is trained."""

from gramscope.callbacks.gram import GramMatrixCallback
from gramscope.callbacks.progress import MonitorProgressBar
from gramscope.callbacks.representation import RepresentationMonitor

__all__ = ["GramMatrixCallback", "MonitorProgressBar", "RepresentationMonitor"]
