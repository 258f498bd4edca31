"""The presets that the Hydra plugin adds to the group `callbacks`, and their sub-groups.

A preset is stored for the package `_global_`; its own defaults list picks one option of each
sub-group *at the preset's node*.
So several presets compose side by side, and each can be given other options.
Sub-group options are plain dicts: they then merge into the preset's typed node, which checks
names and types.
Neither torch nor Lightning is imported here; see the package docstring.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from hydra.core.config_store import ConfigNode, ConfigStore
from omegaconf import OmegaConf

from gramscope.config.callbacks import (
    Capture,
    GramMatrixConfig,
    MonitorProgressBarConfig,
)

__all__ = [
    "OTHERS",
    "PRESETS",
    "SUB_GROUPS",
    "Entry",
    "SubGroup",
    "entries",
    "is_gram_target",
    "register",
]

PROVIDER = "hydra-gramscope"

SHARED_DIR = "${oc.select:gram_dir,null}"
"""Where all presets keep their files, if the application's config says so at its top level."""

# preset -> option of gram/feature
PRESETS = {
    "gram": "teacher",
    "gram_teacher": "teacher",
    "gram_student": "student",
    "gram_global": "global",
}

# presets without sub-groups -> what they are
OTHERS: dict[str, type[Any]] = {"monitor_progress_bar": MonitorProgressBarConfig}


class SubGroup(NamedTuple):
    """Named values of one parameter."""

    parameter: str
    options: dict[str, Any]
    default: str = "default"


SUB_GROUPS = {
    "gram/feature": SubGroup(
        "feature_key",
        {
            "teacher": "teacher_cls_token",
            "student": "student_cls_token",
            "global": "student_glob_cls_token",
            # Features before the projection head.
            "teacher_backbone": "teacher_cls_token_backbone",
            "student_backbone": "student_cls_token_backbone",
            "global_backbone": "student_glob_cls_token_backbone",
        },
        default="teacher",
    ),
    "gram/samples": SubGroup(
        "max_samples", {"default": GramMatrixConfig.max_samples, "small": 32, "large": 512}
    ),
    "gram/frequency": SubGroup(
        "log_every_n_steps",
        {"default": GramMatrixConfig.log_every_n_steps, "often": 10, "rare": 1000, "every_step": 1},
    ),
    "gram/capture": SubGroup("capture", {c.value: c.value for c in Capture}, default="auto"),
    # Files beside the loggers' pictures; `gramscope sweep-report` reads them.
    "gram/files": SubGroup(
        "save_dir",
        {
            "default": SHARED_DIR,
            "none": None,
            "run": "${hydra:runtime.output_dir}/gram",
        },
    ),
}


class Entry(NamedTuple):
    """One config of the store."""

    group: str
    name: str
    package: str
    node: dict[str, Any]


def _preset(name: str, feature: str) -> Entry:
    # `gram` is the plain package `callbacks.gram` of the sub-groups themselves: without `@`,
    # its options read `gram/feature=student` on the command line.
    at = "" if name == "gram" else f"@callbacks.{name}"
    chosen = {group: sub.default for group, sub in SUB_GROUPS.items()} | {"gram/feature": feature}
    defaults: list[Any] = ["_self_", *({f"/{g}{at}": option} for g, option in chosen.items())]
    return _callback(name, GramMatrixConfig, defaults)


def _callback(name: str, config: type[Any], defaults: Sequence[Any] = ()) -> Entry:
    node: dict[str, Any] = {"defaults": [*defaults]} if defaults else {}
    return Entry("callbacks", name, "_global_", {**node, "callbacks": {name: config}})


def entries() -> Iterator[Entry]:
    """Yield every config this plugin provides."""
    for group, (parameter, options, _) in SUB_GROUPS.items():
        for name, value in options.items():
            yield Entry(group, name, "callbacks.gram", {parameter: value})
    for name, feature in PRESETS.items():
        yield _preset(name, feature)
    for name, config in OTHERS.items():
        yield _callback(name, config)


def is_gram_target(target: object) -> bool:
    """Whether a config's `_target_` names our callback, by whatever path it is imported."""
    return str(target).rpartition(".")[2] == GramMatrixConfig._target_.rpartition(".")[2]


def register(store: ConfigStore | None = None) -> None:
    """Put every entry into Hydra's store; what an application has put there itself stays."""
    for entry in entries():
        _put(entry, store or ConfigStore.instance())


def _put(entry: Entry, store: ConfigStore) -> None:
    group: dict[str, Any] = store.repo
    for part in entry.group.split("/"):
        group = group.setdefault(part, {})
    stored = group.setdefault(f"{entry.name}.yaml", _Stored(entry))
    if not _same(stored, entry):
        warnings.warn(
            f"hydra-gramscope leaves the config '{entry.group}/{entry.name}' to this "
            f"application, which has stored another under that name; "
            f"presets of hydra-gramscope that name it get the application's.",
            stacklevel=3,
        )


class _Stored(ConfigNode):
    """An entry in the store that builds its node when it is asked for.

    Every Hydra application fills the store and copies all of it at each composition; most use no
    preset.
    """

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.name, self.group, self.package = f"{entry.name}.yaml", entry.group, entry.package
        self.provider = PROVIDER

    def __getattr__(self, name: str) -> Any:
        # Hydra's `load` copies this object and sets `node` on the copy.
        if name != "node":
            raise AttributeError(name)
        return OmegaConf.structured(self.entry.node)

    def __deepcopy__(self, memo: dict[int, Any]) -> _Stored:
        return self  # nobody changes it


def _same(stored: ConfigNode, entry: Entry) -> bool:
    if isinstance(stored, _Stored):
        return stored.entry == entry
    same: bool = stored.package == entry.package and stored.node == OmegaConf.structured(entry.node)
    return same
