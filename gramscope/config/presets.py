"""The presets that every Hydra application can compose, and their sub-groups.

A preset of the group `callbacks` is for the package `_global_`; its own defaults list picks
one option of each sub-group *at the preset's node*.
So several presets compose side by side, and each can be given other options.
A preset of the group `gramscope` is the node itself, which `@` puts anywhere.
Sub-group options are plain dicts: they then merge into the preset's node, which checks names,
types and values.
Neither torch nor Lightning is imported here; see the package docstring.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

from omegaconf import DictConfig

from gramscope.config.callbacks import (
    Capture,
    GramMatrixConfig,
    MonitorConfig,
    MonitorProgressBarConfig,
    RepresentationMonitorConfig,
)
from gramscope.config.features import FEATURES
from gramscope.config.nodes import node
from gramscope.config.probes import GramPatchConfig, GramProbeConfig
from gramscope.config.settings import CallbackConfig, default_of, settings

__all__ = [
    "MONITORS",
    "OF_OWN_FEATURES",
    "OTHERS",
    "PRESETS",
    "SUB_GROUPS",
    "Entry",
    "SubGroup",
    "entries",
    "is_gram_target",
]

SHARED_DIR = "${oc.select:gram_dir,null}"
"""Where all presets keep their files, if the application's config says so at its top level."""

# preset -> option of gram/feature
PRESETS = {
    "gram": "teacher",
    "gram_teacher": "teacher",
    "gram_student": "student",
    "gram_global": "global",
}

OF_OWN_FEATURES: dict[str, type[MonitorConfig]] = {
    "collapse_monitor": RepresentationMonitorConfig,
    "gram_probe": GramProbeConfig,
    "gram_patch": GramPatchConfig,
}
"""Presets with features of their own; they have those sub-groups that fit their parameters."""

MONITORS: dict[str, type[MonitorConfig]] = {
    **dict.fromkeys(PRESETS, GramMatrixConfig),
    **OF_OWN_FEATURES,
}
"""All presets that watch a representation."""

# presets without sub-groups -> what they are
OTHERS: dict[str, type[CallbackConfig]] = {"monitor_progress_bar": MonitorProgressBarConfig}


class SubGroup(NamedTuple):
    """Named values of one parameter."""

    parameter: str
    options: dict[str, Any]
    default: str = "default"


SUB_GROUPS = {
    "gram/feature": SubGroup("feature_key", FEATURES, default="teacher"),
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


_TARGETS = {config._target_.rpartition(".")[2] for config in MONITORS.values()}


def is_gram_target(target: object) -> bool:
    """Whether a config's `_target_` names a monitor of ours, by whatever path it is imported."""
    return str(target).rpartition(".")[2] in _TARGETS


class Entry(NamedTuple):
    """One config of a group."""

    package: str
    make: Callable[[], dict[str, Any] | DictConfig]


@cache
def entries() -> dict[str, dict[str, Entry]]:
    """Every config, by group and name; made when it is asked for, because most never are."""
    groups: dict[str, dict[str, Entry]] = {"callbacks": {}, "gramscope": {}}
    for group, (parameter, options, _) in SUB_GROUPS.items():
        groups[group] = {
            name: Entry("callbacks.gram", partial(dict, {parameter: value}))
            for name, value in options.items()
        }
    for name, feature in PRESETS.items():
        groups["callbacks"][name] = Entry("_global_", partial(_preset, name, feature))
    for name, config in OF_OWN_FEATURES.items():
        groups["callbacks"][name] = Entry("_global_", partial(_of_own_features, name, config))
    for name, other in OTHERS.items():
        groups["callbacks"][name] = Entry("_global_", partial(_callback, name, other))
    for feature in SUB_GROUPS["gram/feature"].options:
        groups["gramscope"][feature] = Entry("callbacks.gramscope", partial(_flat, feature))
    return groups


def _preset(name: str, feature: str) -> dict[str, Any]:
    # `gram` is the plain package `callbacks.gram` of the sub-groups themselves: without `@`,
    # its options read `gram/feature=student` on the command line.
    at = "" if name == "gram" else f"@callbacks.{name}"
    return {"defaults": _defaults(feature, at), **_callback(name, GramMatrixConfig)}


def _of_own_features(name: str, config: type[MonitorConfig]) -> dict[str, Any]:
    defaults = _defaults("", f"@callbacks.{name}", config)
    return {"defaults": defaults, **_callback(name, config)}


def _callback(name: str, config: type[CallbackConfig]) -> dict[str, Any]:
    return {"callbacks": {name: node(config)}}


def _flat(feature: str) -> DictConfig:
    return node(GramMatrixConfig, defaults=_defaults(feature, "@_here_"))


def _defaults(feature: str, at: str, config: type[MonitorConfig] = GramMatrixConfig) -> list[Any]:
    """One option of each sub-group that fits a preset's node; of no feature if it has its own."""
    fitting = {group: sub for group, sub in SUB_GROUPS.items() if _fits(sub, config)}
    chosen = {group: sub.default for group, sub in fitting.items()} | {"gram/feature": feature}
    options = {group: option for group, option in chosen.items() if option}
    return ["_self_", *({f"/{group}{at}": option} for group, option in options.items())]


def _fits(sub: SubGroup, config: type[MonitorConfig]) -> bool:
    """Whether there is such a parameter, and the default option is not meant for other samples."""
    field = settings(config).get(sub.parameter)
    if field is None or sub.parameter != "max_samples":
        return field is not None
    return bool(sub.options[sub.default] == default_of(field))
