"""Finding features in outputs of every shape."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from gramscope.monitor.features import available_keys, lookup

A, B = torch.zeros(3, 2), torch.ones(3, 4, 2)
Pair = namedtuple("Pair", ["first", "second"])


@dataclass
class Output:
    cls: torch.Tensor
    aux: dict[str, Any]


@pytest.mark.parametrize(
    ("outputs", "key", "expected"),
    [
        ({"a": A}, "a", A),
        (OrderedDict(a=A), "a", A),
        ({"pred": {"a": A}}, "pred.a", A),
        ({"pred.a": A, "pred": {"a": B}}, "pred.a", A),
        ({"x.y": {"z.w": A}}, "x.y.z.w", A),
        ([B, {"a": A}], "1.a", A),
        (Pair(A, B), "second", B),
        (Pair(A, B), "0", A),
        (Output(A, {"b": B}), "aux.b", B),
    ],
)
def test_a_dotted_path_leads_to_the_tensor(outputs: Any, key: str, expected: Any) -> None:
    assert lookup(outputs, key) is expected


@pytest.mark.parametrize(
    ("outputs", "key"),
    [({"a": A}, "b"), ({"a": A}, "a.b"), ([A], "1"), (A, "a"), (None, "a"), (A, "shape")],
    ids=repr,
)
def test_a_path_that_leads_nowhere_is_a_key_error(outputs: Any, key: str) -> None:
    with pytest.raises(KeyError):
        lookup(outputs, key)


def test_available_keys_are_the_paths_of_possible_features() -> None:
    outputs = {"loss": torch.tensor(1.0), "a": A, "pred": {"b": B, "n": 3}, "views": [A]}

    assert available_keys(outputs) == ["a", "pred.b", "views.0"]
    assert all(lookup(outputs, key) is not None for key in available_keys(outputs))


def test_available_keys_end_even_where_outputs_do_not() -> None:
    endless: dict[str, Any] = {"a": A}
    endless["self"] = endless

    assert "a" in available_keys(endless)
