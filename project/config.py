"""Structured configs of the callbacks: what Hydra checks an override against.

Fields, defaults and types mirror the constructors (`tests/hydra/test_parity.py` holds them
together).
Only the standard library is imported here; see the package docstring.
The dataclasses live outside `hydra_plugins` because Hydra's scan may execute a plugin module a
second time, and a class that exists twice fails `isinstance`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["Capture", "GramMatrixConfig"]


class Capture(str, Enum):
    """Where a step's features are taken."""

    # Training-step outputs if they hold the key, else the forward hook.
    auto = "auto"
    # What `training_step` returns.
    outputs = "outputs"
    # What the watched module's forward returns during the step.
    forward_hook = "forward_hook"
    # A forward pass of its own, for models that show no features while they train.
    extra_forward = "extra_forward"


@dataclass
class GramMatrixConfig:
    """Arguments of `project.callbacks.GramMatrixCallback`."""

    _target_: str = "project.callbacks.GramMatrixCallback"
    # Optimizer steps between two gram matrices; at least 1.
    log_every_n_steps: int = 100
    # Key of the model's output mapping, or a dotted path into nested mappings.
    feature_key: str = "teacher_cls_token"
    # Rows (samples) of the matrix, over all ranks together; at least 1.
    max_samples: int = 128
    # Logger key of the heatmap.
    log_key: str = "gram_matrix"
    # Where the features are taken: auto, outputs, forward_hook or extra_forward.
    capture: Capture = Capture.auto
    # Dotted path of the submodule whose forward output holds the features;
    # null: `pl_module.model` if there is one, else the LightningModule.
    module: str | None = None
    # Directory that also receives every event as files; null: none.
    save_dir: str | None = None
    # Events that may wait for the monitor before new ones are skipped; at least 1.
    max_pending: int = 8
    # Seconds the monitor waits for a peer, and for its backlog at shutdown; above 0.
    timeout_s: float = 60.0
