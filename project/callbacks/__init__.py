"""The path by which this job's configs have always named the callbacks: the same classes."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("gramscope") is None:
    # Imported as `callbacks` with only `project/` itself on the path.
    sys.path.append(str(Path(__file__).resolve().parents[2]))

from gramscope.callbacks import GramMatrixCallback, MonitorProgressBar, RepresentationMonitor

__all__ = ["GramMatrixCallback", "MonitorProgressBar", "RepresentationMonitor"]
