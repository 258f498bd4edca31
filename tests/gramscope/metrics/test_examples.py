"""The examples in the docstrings."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module

import pytest
import torch

from gramscope import metrics

MODULES = [module.name for module in pkgutil.iter_modules(metrics.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name: str) -> None:
    torch.manual_seed(0)

    done = doctest.testmod(import_module(f"gramscope.metrics.{name}"), extraglobs={"torch": torch})

    assert done.failed == 0
