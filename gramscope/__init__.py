"""Gramscope: watch self-supervised features while they train.

Importing this package imports neither torch nor Lightning, because the Hydra plugin imports it
in every Hydra application on the machine.
What needs them is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gramscope.callbacks import GramMatrixCallback as GramMatrixCallback
    from gramscope.callbacks import GramPatchCallback as GramPatchCallback
    from gramscope.callbacks import GramProbeCallback as GramProbeCallback
    from gramscope.callbacks import MonitorProgressBar as MonitorProgressBar
    from gramscope.callbacks import RepresentationMonitor as RepresentationMonitor
    from gramscope.callbacks import probe_checkpoints as probe_checkpoints
    from gramscope.config.instantiate import instantiate_callbacks as instantiate_callbacks
    from gramscope.monitor import Monitor as Monitor
    from gramscope.sweep.objective import objective as objective

__version__ = "0.1.0"

_HOMES = {
    "GramMatrixCallback": "gramscope.callbacks",
    "GramPatchCallback": "gramscope.callbacks",
    "GramProbeCallback": "gramscope.callbacks",
    "Monitor": "gramscope.monitor",
    "MonitorProgressBar": "gramscope.callbacks",
    "RepresentationMonitor": "gramscope.callbacks",
    "instantiate_callbacks": "gramscope.config.instantiate",
    "objective": "gramscope.sweep.objective",
    "probe_checkpoints": "gramscope.callbacks",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
