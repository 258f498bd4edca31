"""Structured configs of the callbacks: what Hydra checks an override against.

Fields, defaults, types and help mirror the constructors (`tests/hydra/test_parity.py` holds them
together).
Only the standard library is imported here; see the package docstring.
The dataclasses live outside `hydra_plugins` because Hydra's scan may execute a plugin module a
second time, and a class that exists twice fails `isinstance`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any

__all__ = ["Capture", "GramMatrixConfig", "MonitorProgressBarConfig", "helps"]


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

    def __str__(self) -> str:
        """As an override spells it: Hydra's completion shows this."""
        return self.value


def _option(default: Any, text: str) -> Any:
    """Make a field with its help: what it means, its unit and its range."""
    return field(default=default, metadata={"help": text})


@dataclass
class GramMatrixConfig:
    """Arguments of `gramscope.callbacks.GramMatrixCallback`."""

    _target_: str = "gramscope.callbacks.GramMatrixCallback"
    log_every_n_steps: int = _option(100, "Optimizer steps between two gram matrices, at least 1.")
    feature_key: str = _option(
        "teacher_cls_token",
        "Key of the model's output mapping, or a dotted path into nested mappings. The features "
        "are `[N, D]`, or `[N, T, D]` of which token 0 is taken.",
    )
    max_samples: int = _option(
        128,
        "Rows of the matrix, at least 1, spread evenly over all ranks and, within a rank, evenly "
        "over its rows.",
    )
    log_key: str = _option(
        "gram_matrix",
        "Logger key of the heatmap. Callbacks of one trainer that would share one log under "
        "`<log_key>/<feature_key>`.",
    )
    capture: Capture = _option(  # noqa: RUF009 - members of an Enum don't change
        Capture.auto,
        "Where the features are taken: `outputs` (what `training_step` returns), `forward_hook` "
        "(what the watched module returns during the step), `auto` (the first of these that has "
        "the key) or `extra_forward` (a forward pass of its own in evaluation mode on the batch, "
        "or on its first element if it is a sequence).",
    )
    module: str | None = _option(
        None,
        "Dotted path of the module whose forward output is watched; null for `pl_module.model` "
        "if there is one, else the LightningModule. If it is given, an output that is itself a "
        "tensor is taken as the features.",
    )
    save_dir: str | None = _option(
        None,
        "Directory that also receives every event as files; null for none, unless no logger of "
        "the trainer takes images.",
    )
    max_pending: int = _option(8, "Events that may wait before new ones are skipped, at least 1.")
    timeout_s: float = _option(
        60.0, "Seconds to wait for a peer, a picture, or the backlog at the end; above 0."
    )


@dataclass
class MonitorProgressBarConfig:
    """Lightning's progress bar, with the first gram callback's mean similarity beside the loss."""

    _target_: str = "gramscope.callbacks.MonitorProgressBar"
    refresh_rate: int = _option(1, "Batches between two updates of the bar; 0 shows none.")


def helps(config: type[Any]) -> dict[str, str]:
    """Return what each argument of a structured config means.

    Args:
        config: One of the dataclasses above.

    Returns:
        Help texts by argument, in order.
    """
    return {f.name: f.metadata["help"] for f in fields(config) if not f.name.startswith("_")}
