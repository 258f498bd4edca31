"""The callbacks' settings: the one place of a parameter's default, meaning and range.

Only the standard library is imported here, because the Hydra plugin imports it in every Hydra
application on the machine.
The dataclasses live outside `hydra_plugins` because Hydra's scan may execute a plugin module a
second time, and a class that exists twice fails `isinstance`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from gramscope.config.features import FEATURES
from gramscope.config.settings import (
    CallbackConfig,
    Pool,
    above_zero,
    alarms,
    directory,
    features,
    flag,
    numbers,
    one_of,
    optional,
    pooling,
    setting,
    some_of,
    text,
    thresholds,
    whole_number,
)
from gramscope.config.states import require_visible
from gramscope.config.views import views
from gramscope.picture.look import ColorRange, Look, Order, Panel

__all__ = [
    "Calls",
    "Capture",
    "ColorRange",
    "GramMatrixConfig",
    "MonitorConfig",
    "MonitorProgressBarConfig",
    "Order",
    "Panel",
    "Pool",
    "RepresentationMonitorConfig",
    "RowsConfig",
    "fixed",
    "watching",
]


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


class Calls(str, Enum):
    """Which calls of the watched module count, of several in one micro-batch."""

    first = "first"
    # In their order, as if one call had returned them all.
    all = "all"


@dataclass
class CadenceConfig(CallbackConfig):
    """When a callback is due."""

    log_every_n_steps: int = setting(
        100,
        "optimizer steps between two gram matrices, at least 1, whatever the gradient "
        "accumulation, whose micro-batches all contribute",
        whole_number(1),
    )


@dataclass
class FeatureConfig(CadenceConfig):
    """One feature."""

    feature_key: str = setting(
        "teacher_cls_token",
        "key of the model's output mapping, or a dotted path into nested mappings; any name of "
        "your own for a model that returns one tensor. The features are `[N, D]`, or of more "
        "dimensions, see `pool`",
        text,
    )


@dataclass
class FeaturesConfig(CadenceConfig):
    """Several features of the same rows."""

    features: dict[str, str] = setting(
        {
            "teacher_head": "teacher_cls_token",
            "teacher_backbone": "teacher_cls_token_backbone",
            "student_head": "student_glob_cls_token",
            "student_backbone": "student_glob_cls_token_backbone",
        },
        "feature keys by role; a role names pictures and numbers, and `teacher_…` is compared "
        "with `student_…`, `…_head` with `…_backbone`. Rows that are not those of the first "
        "feature need declared views to be found",
        features,
    )


def fixed(value: Any) -> Any:
    """What is a setting of some callbacks, and of the others always this."""
    return value


@dataclass
class MonitorConfig(CadenceConfig, ABC):
    """Settings of a callback that watches a representation."""

    pool = fixed(Pool.cls.value)
    views = fixed(None)
    capture = fixed(Capture.auto.value)
    calls = fixed(Calls.first.value)
    metrics = fixed("standard")

    max_samples: int = setting(
        128,
        "rows of the matrix, at least 1, spread evenly over ranks and over each rank's rows",
        whole_number(1),
    )
    name: str | None = setting(
        None,
        "what the thing watched is called in pictures, keys, files and messages; `null`: the "
        "feature key, or the module path where `module` is given",
        optional(text),
    )
    log_key: str = setting(
        "gram_matrix",
        "logger key of the picture; several callbacks that would share one become "
        "`<log_key>/<name>`",
        text,
    )
    module: str | None = setting(
        None,
        "dotted path of the module to watch, for example `model.teacher.backbone`, whose output "
        "may then be the features themselves; `.`: the LightningModule itself; `null`: "
        "`pl_module.model` if there is one, else the LightningModule",
        optional(text),
    )
    metrics_every_n_steps: int | None = setting(
        None,
        "numbers without a picture also every so many optimizer steps, at least 1; `null`: only "
        "with the pictures",
        optional(whole_number(1)),
    )
    sample_id_key: str | None = setting(
        None,
        "dotted path into the batch of the samples' ids, integers or texts, one for each row or "
        "for each sample: rows with the same id are of one sample, on whatever rank",
        optional(text),
    )
    label_key: str | None = setting(
        None,
        "dotted path into the batch of labels, integers or texts, one for each row or for each "
        "sample; of a batch `(x, y)` it is `1`",
        optional(text),
    )
    order: str = setting(
        Order.rank.value,
        "order of the picture's rows: `rank` (as gathered), `label`, or `cluster` (hierarchical)",
        one_of(Order),
    )
    color_range: str = setting(
        ColorRange.fixed.value,
        "what the picture's colours span: `fixed` (-1 to 1), or `adaptive` (the off-diagonal)",
        one_of(ColorRange),
    )
    panels: Any = setting(
        (),
        "what stands beside the heatmap, a list: `histogram` (of the similarities, those of views "
        "of one sample apart), `spectrum` (with its effective rank)",
        some_of(Panel),
    )
    save_dir: str | None = setting(
        None,
        "local directory that also receives every event as files; `null`: none, unless no logger "
        "takes images",
        optional(directory),
    )
    save_limit_mb: float | None = setting(
        1000.0,
        "megabytes that pictures and matrices in `save_dir` may take, above 0: beyond it some go, "
        "so that those that stay are spread evenly over the run; `events.jsonl` keeps the numbers "
        "of every event. `null`: no bound",
        optional(above_zero("megabytes")),
    )
    log_matrix: bool = setting(
        False,
        "also hand the matrix itself, the event's `.npz`, to loggers that take files: a version of "
        "an artifact in W&B, an artifact in MLflow: `true` or `false`",
        flag,
    )
    alert: bool = setting(
        True,
        "one warning in the log, and one alert in W&B, when the diagnosis says that something has "
        "gone wrong: `true` or `false`",
        flag,
    )
    stop_on: Any = setting(
        (),
        "states of the diagnosis that end training, a list, for example "
        "`[complete_collapse, non_finite]`: on all ranks at the same step, which is a due one, "
        "after a checkpoint. Ranks wait for one another at due steps then",
        alarms,
    )
    thresholds: Any = setting(
        None,
        "values of the diagnosis other than its defaults, by name: `{confirm_events: 3}`",
        optional(thresholds),
    )
    max_pending: int = setting(
        8, "events that may wait before new ones are skipped, at least 1", whole_number(1)
    )
    timeout_s: float = setting(
        60.0,
        "seconds to wait for a picture, and for the rest at the end; above 0",
        above_zero("seconds"),
    )

    def __post_init__(self) -> None:
        """Check every value, and that `stop_on` is of states that can come to be seen."""
        super().__post_init__()
        require_visible(self.stop_on, self.watched, self.metrics, patches=self.judges_patches)

    @property
    def due_every(self) -> int:
        """Optimizer steps between two events with numbers."""
        return min(self.log_every_n_steps, self.metrics_every_n_steps or self.log_every_n_steps)

    @property
    @abstractmethod
    def watched(self) -> dict[str, str]:
        """Feature keys by role; the role of a single feature is empty."""

    @property
    def roles(self) -> dict[str, str]:
        """By role, the keys under which rows are found."""
        return self.watched

    @property
    def title(self) -> str:
        """What is watched, in a word."""
        return self.name or ", ".join(
            role or self.module or key for role, key in self.watched.items()
        )

    @property
    def judges_patches(self) -> bool:
        """Whether patches are watched, with their class token beside them."""
        return False

    @property
    def takes_bare_tensor(self) -> bool:
        """Whether an output without any keys is what is watched.

        Not under a key that a preset has: that says what it must be.
        """
        single = self.watched.get("")
        return single is not None and (self.module is not None or single not in FEATURES.values())

    @property
    @abstractmethod
    def what(self) -> str:
        """What is watched, as it was asked for."""

    @property
    def look(self) -> Look:
        """What its pictures show."""
        return Look(self.order, self.color_range, self.panels)


@dataclass
class RowsConfig(CallbackConfig):
    """What becomes of features, a row for each sample."""

    pool: str | int = setting(
        Pool.cls.value,
        "how features of more than two dimensions become `[N, D]`: `cls` (token 0 of "
        "`[N, T, D]`), a token's index, `mean` (over tokens, or positions of `[N, H, W, D]`), "
        "`gap` (over the positions of `[N, C, H, W]`, in 3D alike) or `flatten`",
        pooling,
    )
    metrics: Any = setting(
        "standard",
        "which numbers: `gram` (those of the off-diagonal alone), `standard` (all that the rows "
        "allow), or a list of names, see `gramscope presets`",
        numbers,
    )


@dataclass
class StepConfig(CallbackConfig):
    """Where a training step's features are taken."""

    views: Any = setting(
        None,
        "how many rows of a batch are views of each sample: a number (all first views, then all "
        "second ones), or `{count: 2, layout: interleaved}` (each sample's views side by side), "
        "with `alike: 2` where only the first views are of one crop type; sampling is then by "
        "sample, and there are the numbers that need views. `null`: what the model's "
        "`feature_views(batch)` says, if it has one",
        views,
    )
    capture: str = setting(
        Capture.auto.value,
        "where the features are taken: `outputs` (of `training_step`), `forward_hook` (what the "
        "watched module returns during the step), `auto` (the first of these that has the key) "
        "or `extra_forward` (a forward pass of its own in evaluation mode on the batch, or on its "
        "first element if it is a sequence)",
        one_of(Capture),
    )
    calls: str = setting(
        Calls.first.value,
        "which calls of the watched module count where a step makes several, one for each view, "
        "crop size or part of the batch: `first`, or `all` (their rows one after the other, as if "
        "one call had returned them, so that with two views `views` is 2)",
        one_of(Calls),
    )


@dataclass
class GramMatrixConfig(StepConfig, RowsConfig, MonitorConfig, FeatureConfig):
    """The gram matrix of one feature."""

    _target_: str = "gramscope.callbacks.GramMatrixCallback"

    @property
    def watched(self) -> dict[str, str]:
        """The one feature."""
        return {"": self.feature_key}

    @property
    def what(self) -> str:
        """The one feature's key, and where it is looked for."""
        module = f" of module={self.module!r}" if self.module else ""
        return f"feature_key={self.feature_key!r}{module}"


@dataclass
class RepresentationMonitorConfig(StepConfig, RowsConfig, MonitorConfig, FeaturesConfig):
    """Several features of a model, and what they say together."""

    _target_: str = "gramscope.callbacks.RepresentationMonitor"
    log_key: str = setting(
        "gram_matrices", "logger key of the picture, which holds all features' matrices", text
    )
    metrics_every_n_steps: int | None = setting(
        10,
        "numbers without a picture also every so many optimizer steps, at least 1; `null`: only "
        "with the pictures",
        optional(whole_number(1)),
    )

    @property
    def watched(self) -> dict[str, str]:
        """All of them."""
        return self.features

    @property
    def what(self) -> str:
        """The roles."""
        return f"features {', '.join(self.watched)}"


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
