"""Lightning callbacks that watch a representation while it is trained."""

import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("project") is None:
    # Imported as `callbacks` with only `project/` itself on the path.
    sys.path.append(str(Path(__file__).resolve().parents[2]))

from project.callbacks.gram import GramMatrixCallback
from project.callbacks.progress import MonitorProgressBar

__all__ = ["GramMatrixCallback", "MonitorProgressBar"]
