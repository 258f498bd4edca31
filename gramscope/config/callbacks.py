"""The callbacks' settings: the one place of a parameter's default, meaning and range.

Only the standard library is imported here, because the Hydra plugin imports it in every Hydra
application on the machine.
The dataclasses live outside `hydra_plugins` because Hydra's scan may execute a plugin module a
second time, and a class that exists twice fails `isinstance`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from gramscope.config.settings import (
    CallbackConfig,
    directory,
    one_of,
    optional,
    seconds,
    setting,
    text,
    whole_number,
)

__all__ = ["Capture", "GramMatrixConfig", "MonitorConfig", "MonitorProgressBarConfig", "watching"]


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
class MonitorConfig(CallbackConfig):
    """Settings of a callback that watches a representation."""

    log_every_n_steps: int = setting(
        100,
        "optimizer steps between two gram matrices, at least 1, whatever the gradient "
        "accumulation, whose micro-batches all contribute",
        whole_number(1),
    )
    feature_key: str = setting(
        "teacher_cls_token",
        "key of the model's output mapping, or a dotted path into nested mappings; the features "
        "are `[N, D]`, or `[N, T, D]` of which token 0 is taken",
        text,
    )
    max_samples: int = setting(
        128,
        "rows of the matrix, at least 1, spread evenly over ranks and over each rank's rows",
        whole_number(1),
    )
    log_key: str = setting(
        "gram_matrix",
        "logger key of the picture; several callbacks that would share one become "
        "`<log_key>/<feature_key>`",
        text,
    )
    capture: str = setting(
        Capture.auto.value,
        "where the features are taken: `outputs` (of `training_step`), `forward_hook` (what the "
        "watched module returns during the step), `auto` (the first of these that has the key) "
        "or `extra_forward` (a forward pass of its own in evaluation mode on the batch, or on its "
        "first element if it is a sequence)",
        one_of(Capture),
    )
    module: str | None = setting(
        None,
        "dotted path of the module to watch, for example `model.teacher.backbone`, whose output "
        "may then be the features themselves; `.`: the LightningModule itself; `null`: "
        "`pl_module.model` if there is one, else the LightningModule",
        optional(text),
    )
    save_dir: str | None = setting(
        None,
        "local directory that also receives every event as files; `null`: none, unless no logger "
        "takes images",
        optional(directory),
    )
    max_pending: int = setting(
        8, "events that may wait before new ones are skipped, at least 1", whole_number(1)
    )
    timeout_s: float = setting(
        60.0,
        "seconds to wait for a picture, and for the rest at the end; above 0",
        seconds,
    )


@dataclass
class GramMatrixConfig(MonitorConfig):
    """The gram matrix of one feature."""

    _target_: str = "gramscope.callbacks.GramMatrixCallback"


@dataclass
class MonitorProgressBarConfig(CallbackConfig):
    """Lightning's progress bar, with the first gram callback's mean similarity beside the loss."""

    _target_: str = "gramscope.callbacks.MonitorProgressBar"
    refresh_rate: int = setting(
        1, "batches between two updates of the bar; 0 shows none", whole_number(0)
    )


def watching(callbacks: Iterable[Any]) -> list[Any]:
    """Those of a trainer's callbacks that watch a representation."""
    return [c for c in callbacks if isinstance(getattr(c, "config", None), MonitorConfig)]
