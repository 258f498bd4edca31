"""From features of any shape to one row for each sample."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from gramscope.monitor.features import FeatureError
from gramscope.monitor.pooling import as_features, is_sequence_first

TOKENS = torch.randn(4, 5, 3)  # [N, T, D]
CHANNELS_FIRST = torch.randn(4, 3, 2, 5, 7)  # [N, C, H, W, D]
CHANNELS_LAST = CHANNELS_FIRST.movedim(1, -1)


def rows(value: Any, pool: Any = "cls") -> Tensor:
    features = as_features(value, "k", pool)
    pooled = features.of(features.source)
    assert pooled.shape == (len(features), features.dim)
    return pooled


@pytest.mark.parametrize(
    ("value", "pool", "expected"),
    [
        (TOKENS, "cls", TOKENS[:, 0]),
        (TOKENS, 2, TOKENS[:, 2]),
        (TOKENS, -1, TOKENS[:, 4]),
        (TOKENS, "mean", TOKENS.mean(1)),
        (TOKENS, "gap", TOKENS.mean(2)),
        (TOKENS, "flatten", TOKENS.reshape(4, 15)),
        (CHANNELS_FIRST, "gap", CHANNELS_FIRST.mean((2, 3, 4))),
        (CHANNELS_LAST, "mean", CHANNELS_FIRST.mean((2, 3, 4))),
        (CHANNELS_FIRST, "flatten", CHANNELS_FIRST.reshape(4, 210)),
        (CHANNELS_FIRST[:, :, :1, :1, 0], "cls", CHANNELS_FIRST[:, :, 0, 0, 0]),
    ],
    ids=lambda value: str(value) if isinstance(value, (str, int)) else None,
)
def test_pool_makes_one_row_of_a_sample(value: Tensor, pool: Any, expected: Tensor) -> None:
    torch.testing.assert_close(rows(value, pool), expected)


@pytest.mark.parametrize("pool", ["cls", 3, "mean", "gap", "flatten"])
def test_rows_that_are_there_are_left_as_they_are(pool: Any) -> None:
    assert rows(TOKENS[:, 0], pool).equal(TOKENS[:, 0])


@pytest.mark.parametrize(
    ("value", "pool", "says"),
    [
        ([1.0], "cls", r"feature_key='k' leads to a list; expected a tensor \[N, D\]"),
        (torch.zeros(3), "mean", r"shape \[3\] and torch.float32"),
        (torch.zeros(2, 2, dtype=torch.int64), "cls", "torch.int64; expected floating-point"),
        (CHANNELS_FIRST, "cls", r"shape \[4, 3, 2, 5, 7\].*pool='cls' is for \[N, T, D\]. Choose"),
        (CHANNELS_FIRST, 1, r"Choose gap \(.*\), mean \(.*\) or flatten"),
        (TOKENS, 5, "there are tokens 0 to 4, and pool=5 is none"),
    ],
    ids=["list", "vector", "integers", "positions", "positions by index", "no such token"],
)
def test_what_pool_does_not_fit_is_answered_with_what_does(
    value: Any, pool: Any, says: str
) -> None:
    with pytest.raises(FeatureError, match=says):
        as_features(value, "k", pool)


@pytest.mark.parametrize(
    ("shape", "samples", "declared", "expected"),
    [
        ((17, 8, 3), 8, False, True),
        ((8, 17, 3), 8, False, False),
        ((16, 8, 3), 8, False, False),  # perhaps two views of eight tokens each
        ((16, 8, 3), 8, True, True),
        ((8, 8, 3), 8, True, True),
        ((17, 8, 3), None, False, False),
        ((17, 8, 3), None, True, True),
        ((8, 16, 16), 8, True, False),  # weights of an attention, which are batch first
        ((17, 8), 8, True, False),
    ],
)
def test_a_sequence_comes_first_where_only_that_can_be(
    shape: tuple[int, ...], samples: int | None, declared: bool, expected: bool
) -> None:
    assert is_sequence_first(torch.zeros(shape), samples, declared=declared) is expected


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
            taken = as_features(distribute_tensor(torch.ones(4, 6), mesh, [placement]), "k").source
            assert (type(taken), taken.shape) == (torch.Tensor, (rows, 6))
        with pytest.raises(FeatureError, match=r"DTensor with .*Shard\(dim=1\).*expected Shard"):
            as_features(distribute_tensor(torch.ones(4, 6), mesh, [Shard(1)]), "k")
    finally:
        torch.distributed.destroy_process_group()
