"""A parameter's home is its field; constructors and pages say the same."""

import dataclasses
import importlib
import inspect
import os
import pkgutil
import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import get_class
from pytorch_lightning import Callback

import gramscope
from gramscope.callbacks.agreement import Agreement
from gramscope.callbacks.base import MonitorCallback
from gramscope.callbacks.ending import Ending
from gramscope.callbacks.probing.callback import ProbeCallback
from gramscope.config.callbacks import GramMatrixConfig, RepresentationMonitorConfig
from gramscope.config.presets import MONITORS, OTHERS
from gramscope.config.settings import default_of, helps, settings
from gramscope.diagnosis import NUMBERS

CONFIGS = [*dict.fromkeys([*MONITORS.values(), *OTHERS.values()])]
ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()


def defaults(config: Any) -> dict[str, Any]:
    return {name: default_of(field) for name, field in settings(config).items()}


@pytest.mark.parametrize("config", CONFIGS)
def test_names_order_and_defaults_are_the_constructor_s(config: Any) -> None:
    parameters = inspect.signature(get_class(config._target_)).parameters

    # An Enum of strings equals its value.
    assert list(defaults(config).items()) == [(n, p.default) for n, p in parameters.items()]


@pytest.mark.parametrize("config", CONFIGS)
def test_the_constructor_takes_what_a_config_holds(config: Any) -> None:
    fields = typing.get_type_hints(config)
    parameters = typing.get_type_hints(get_class(config._target_).__init__)

    for name in helps(config):
        accepted = _members(parameters[name])
        assert all(_accepts(accepted, kind) for kind in _members(fields[name])), name


@pytest.mark.parametrize("config", CONFIGS)
def test_the_callback_s_documentation_has_every_parameter(config: Any) -> None:
    documented = " ".join((inspect.getdoc(get_class(config._target_)) or "").split())

    for name, text in helps(config).items():
        assert f"{name}: {text.replace('`', '``')}" in documented


def test_settings_are_attributes_that_can_be_changed_before_a_fit() -> None:
    callback = gramscope.GramMatrixCallback(max_samples=7)

    callback.max_samples = 9

    assert (callback.max_samples, callback.config.max_samples) == (9, 9)
    with pytest.raises(ValueError, match="`max_samples` to be at least 1"):
        callback.max_samples = 0


def test_every_callback_of_the_library_has_a_config() -> None:
    for module in pkgutil.walk_packages(gramscope.__path__, "gramscope."):
        importlib.import_module(module.name)
    ours = {c for c in _subclasses(Callback) if c.__module__.startswith("gramscope.")}
    public = {c for c in ours if "._" not in f"{c.__module__}.{c.__name__}"}

    assert {get_class(c._target_) for c in CONFIGS} == public - {
        MonitorCallback,
        ProbeCallback,
        Ending,
        Agreement,
    }


@pytest.mark.parametrize("name", helps(GramMatrixConfig))
def test_the_readme_says_of_a_parameter_what_its_field_says(name: str) -> None:
    default = defaults(GramMatrixConfig)[name]
    shown = {None: "null", (): "[]", True: "true", False: "false"}.get(default, default)

    assert f"| `{name}` | `{shown}` | {helps(GramMatrixConfig)[name]} |" in README


def test_the_readme_says_what_a_monitor_of_several_features_has_beside() -> None:
    own = helps(RepresentationMonitorConfig)

    assert f"| `features` | four roles | {own['features']} |" in README


def test_the_readme_says_of_the_headline_numbers_what_their_rows_say() -> None:
    shown = [line for line in README.splitlines() if line.startswith("| `representation/")]

    assert shown == [
        f"| `representation/{number.name}` | {number.sentence} {number.why} |"
        for number in NUMBERS.values()
        if number.headline
    ]


def test_the_page_of_metrics_says_of_every_number_what_its_row_says() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text()
    section = page.partition("## The numbers\n")[2].partition("\n## ")[0]
    shown = [line for line in section.splitlines() if line.startswith("| `")]

    assert shown == [
        f"| `{n.name}` | {n.sentence} | {n.range} | {n.bad or 'none'}: {n.why} | {n.needs} |"
        for n in NUMBERS.values()
    ]


def test_every_field_of_a_config_has_a_help_and_a_check() -> None:
    for config in CONFIGS:
        for field in dataclasses.fields(config):
            assert field.name == "_target_" or field.metadata.keys() == {"help", "check"}


def _subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    for sub in kind.__subclasses__():
        yield sub
        yield from _subclasses(sub)


def _members(annotation: Any) -> set[Any]:
    return set(typing.get_args(annotation)) or {annotation}


def _accepts(accepted: set[Any], kind: Any) -> bool:
    """Whether a constructor that takes `accepted` takes what a config of `kind` gives."""
    accepted = {typing.get_origin(a) or a for a in accepted}
    # A config has no path-like type that may also be a plain string.
    return (
        kind is Any  # checked by its value
        or (typing.get_origin(kind) or kind) in accepted
        or (kind == dict[str, str] and Mapping in accepted)
        or (issubclass(kind, Enum) and str in accepted)
        or (kind is str and os.PathLike in accepted)
    )
