"""Finding features in outputs of every shape."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from gramscope.monitor.features import FeatureError, as_rows, available_keys, lookup

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


def test_tokens_give_their_first() -> None:
    tokens = torch.arange(12.0).reshape(2, 3, 2)

    assert as_rows(tokens, "k").tolist() == [[0.0, 1.0], [6.0, 7.0]]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([1.0], r"feature_key='k' leads to a list; expected a tensor \[N, D\]"),
        (torch.zeros(3), r"shape \[3\] and torch.float32"),
        (torch.zeros(2, 2, dtype=torch.int64), r"torch.int64; expected floating-point"),
    ],
    ids=["list", "vector", "integers"],
)
def test_what_is_no_feature_matrix_is_named(value: Any, says: str) -> None:
    with pytest.raises(FeatureError, match=says):
        as_rows(value, "k")


def test_available_keys_are_the_paths_of_possible_features() -> None:
    outputs = {"loss": torch.tensor(1.0), "a": A, "pred": {"b": B, "n": 3}, "views": [A]}

    assert available_keys(outputs) == ["a", "pred.b", "views.0"]
    assert all(lookup(outputs, key) is not None for key in available_keys(outputs))


def test_available_keys_end_even_where_outputs_do_not() -> None:
    endless: dict[str, Any] = {"a": A}
    endless["self"] = endless

    assert "a" in available_keys(endless)


# torch before 2.6, of any mesh of CPUs.
@pytest.mark.filterwarnings("ignore:DTensor random operators may not have complete support")
def test_parts_of_rows_are_refused_and_whole_rows_are_taken_as_plain_tensors() -> None:
    from torch.distributed.device_mesh import init_device_mesh
    from torch.testing._internal.distributed.fake_pg import FakeStore

    try:
        from torch.distributed.tensor import Replicate, Shard, distribute_tensor
    except ImportError:  # before torch 2.5
        from torch.distributed._tensor import Replicate, Shard, distribute_tensor

    torch.distributed.init_process_group("fake", rank=0, world_size=2, store=FakeStore())
    try:
        mesh = init_device_mesh("cpu", (2,))
        for placement, rows in ((Shard(0), 2), (Replicate(), 4)):
            taken = as_rows(distribute_tensor(torch.ones(4, 6), mesh, [placement]), "k")
            assert (type(taken), taken.shape) == (torch.Tensor, (rows, 6))
        with pytest.raises(FeatureError, match=r"DTensor with .*Shard\(dim=1\).*expected Shard"):
            as_rows(distribute_tensor(torch.ones(4, 6), mesh, [Shard(1)]), "k")
    finally:
        torch.distributed.destroy_process_group()
