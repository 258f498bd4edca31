"""Configs and constructors say the same."""

import dataclasses
import importlib
import inspect
import os
import pkgutil
import re
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import get_class
from pytorch_lightning import Callback

import gramscope
from gramscope import config
from gramscope.callbacks import GramMatrixCallback

CONFIGS = [
    value
    for value in vars(config).values()
    if dataclasses.is_dataclass(value) and isinstance(value, type)
]


@pytest.mark.parametrize("dataclass", CONFIGS, ids=lambda c: c.__name__)
class TestParity:
    """Each dataclass against the constructor it names."""

    def parameters(self, dataclass: Any) -> dict[str, inspect.Parameter]:
        """The constructor's parameters."""
        parameters = inspect.signature(get_class(dataclass._target_)).parameters
        return dict(parameters)

    def fields(self, dataclass: Any) -> dict[str, Any]:
        """The fields that are arguments."""
        return {f.name: f for f in dataclasses.fields(dataclass) if not f.name.startswith("_")}

    def test_names_and_order(self, dataclass: Any) -> None:
        assert list(self.fields(dataclass)) == list(self.parameters(dataclass))

    def test_defaults(self, dataclass: Any) -> None:
        defaults = {name: p.default for name, p in self.parameters(dataclass).items()}

        # An Enum of strings equals its value.
        assert {n: f.default for n, f in self.fields(dataclass).items()} == defaults

    def test_types(self, dataclass: Any) -> None:
        fields = typing.get_type_hints(dataclass)
        parameters = typing.get_type_hints(get_class(dataclass._target_).__init__)

        for name in self.fields(dataclass):
            accepted = _members(parameters[name])
            assert all(_accepts(accepted, kind) for kind in _members(fields[name])), name

    def test_help_is_what_the_constructor_documents(self, dataclass: Any) -> None:
        assert config.helps(dataclass) == _documented(get_class(dataclass._target_))


def test_every_callback_of_the_project_has_a_config() -> None:
    for module in pkgutil.walk_packages(gramscope.__path__, "gramscope."):
        importlib.import_module(module.name)
    ours = [c for c in _subclasses(Callback) if c.__module__.startswith("gramscope.")]

    assert sorted(get_class(c._target_).__qualname__ for c in CONFIGS) == sorted(
        c.__qualname__ for c in ours
    )


def test_the_readme_lists_every_parameter_with_its_default() -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    _, _, section = readme.partition("### Parameters")
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", section.partition("\n##")[0], re.M)

    defaults = inspect.signature(GramMatrixCallback).parameters
    assert {name: default.strip("`") for name, default, _ in rows} == {
        name: repr(p.default).replace("'", '"') for name, p in defaults.items()
    }


def _subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    for sub in kind.__subclasses__():
        yield sub
        yield from _subclasses(sub)


def _documented(target: Any) -> dict[str, str]:
    """The `Args` of a class's docstring, in the wording of configs: null, one backtick."""
    _, _, arguments = inspect.cleandoc(target.__doc__).partition("Args:\n")
    section = re.split(r"\n(?=\S)", arguments)[0]
    entries = re.findall(r"^    (\w+): ((?:.|\n(?=     ))+)", section, re.M)
    plain = {name: re.sub(r"\s+", " ", text).replace("``", "`") for name, text in entries}
    return {name: text.replace("`None`", "null") for name, text in plain.items()}


def _members(annotation: Any) -> set[Any]:
    return set(typing.get_args(annotation)) or {annotation}


def _accepts(accepted: set[Any], kind: Any) -> bool:
    """Whether a constructor that takes `accepted` takes what a config of `kind` gives."""
    accepted = {typing.get_origin(a) or a for a in accepted}
    # A config has no path-like type that may also be a plain string.
    return (
        kind in accepted
        or (issubclass(kind, Enum) and str in accepted)
        or (kind is str and os.PathLike in accepted)
    )
