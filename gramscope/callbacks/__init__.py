"""Lightning callbacks that watch a representation while it is trained."""

from gramscope.callbacks.gram import GramMatrixCallback
from gramscope.callbacks.patch import GramPatchCallback
from gramscope.callbacks.probe import GramProbeCallback
from gramscope.callbacks.probing.checkpoints import probe_checkpoints
from gramscope.callbacks.progress import MonitorProgressBar
from gramscope.callbacks.representation import RepresentationMonitor

__all__ = [
    "GramMatrixCallback",
    "GramPatchCallback",
    "GramProbeCallback",
    "MonitorProgressBar",
    "RepresentationMonitor",
    "probe_checkpoints",
]
