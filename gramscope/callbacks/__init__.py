"""Lightning callbacks that watch a representation while it is trained."""

from gramscope.callbacks.gram import GramMatrixCallback
from gramscope.callbacks.progress import MonitorProgressBar

__all__ = ["GramMatrixCallback", "MonitorProgressBar"]
