"""Configs and constructors say the same."""

import dataclasses
import inspect
import os
import typing
from enum import Enum
from typing import Any

import pytest
from hydra.utils import get_class

from project import config

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

    def test_every_field_is_explained_above_it(self, dataclass: Any) -> None:
        lines = [line.strip() for line in inspect.getsource(dataclass).splitlines()]

        for name in self.fields(dataclass):
            (at,) = [i for i, line in enumerate(lines) if line.startswith(f"{name}:")]
            assert lines[at - 1].startswith("# "), name


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
