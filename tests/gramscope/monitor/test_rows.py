"""Which rows are taken."""

from __future__ import annotations

import pytest
import torch

from gramscope.monitor.rows import RowSampler, member_ranks, quota


def taken(sizes: list[int], limit: int, micro_batches: int) -> list[int]:
    """Positions that the sampler takes, checked against the rows it copies."""
    sampler = RowSampler(limit, micro_batches)
    start = 0
    for n in sizes:
        sampler.add(torch.arange(start, start + n, dtype=torch.float32)[:, None].expand(n, 3))
        start += n
    rows = [int(v) for chunk in sampler.chunks for v in chunk[:, 0]]
    length, picks = sampler.spacing
    assert rows == [i * length // picks for i in range(len(rows))]
    return rows


@pytest.mark.parametrize(
    ("sizes", "limit", "micro_batches", "expected"),
    [
        ([6], 10, 1, [0, 1, 2, 3, 4, 5]),
        ([6], 6, 1, [0, 1, 2, 3, 4, 5]),
        ([8], 4, 1, [0, 2, 4, 6]),
        ([7], 3, 1, [0, 2, 4]),
        ([10], 1, 1, [0]),
        ([4, 4], 4, 2, [0, 2, 4, 6]),
        ([4, 4, 4], 5, 3, [0, 2, 4, 7, 9]),
        ([4, 2], 4, 2, [0, 2, 4]),  # a smaller last batch gives what it has of its share
        ([4, 4], 4, 1, [0, 1, 2, 3]),  # more batches than foreseen: never more than the limit
        ([0], 4, 1, []),
    ],
)
def test_rows_are_spread_evenly_over_the_step(
    sizes: list[int], limit: int, micro_batches: int, expected: list[int]
) -> None:
    assert taken(sizes, limit, micro_batches) == expected


def test_rows_are_copies() -> None:
    features = torch.zeros(4, 2, requires_grad=True) + 1
    sampler = RowSampler(4)

    sampler.add(features)
    features.detach().fill_(9)

    (chunk,) = sampler.chunks
    assert chunk.tolist() == [[1.0, 1.0]] * 4
    assert chunk.grad_fn is None
    assert chunk.untyped_storage().data_ptr() != features.untyped_storage().data_ptr()


def test_a_token_of_a_large_tensor_does_not_keep_it_alive() -> None:
    tokens = torch.zeros(4, 100, 2)
    sampler = RowSampler(4)

    sampler.add(tokens[:, 0])

    assert sampler.chunks[0].untyped_storage().nbytes() == 4 * 2 * 4


def test_rewinding_forgets_what_was_added_since() -> None:
    sampler = RowSampler(3, micro_batches=1)
    mark = sampler.mark
    sampler.add(torch.zeros(9, 1))

    sampler.rewind(mark)
    sampler.add(torch.arange(6.0)[:, None])

    assert sampler.chunks[0][:, 0].tolist() == [0, 2, 4]
    assert sampler.spacing == (6, 3)


@pytest.mark.parametrize(
    ("world_size", "max_samples", "expected"),
    [(1, 128, [0]), (4, 128, [0, 1, 2, 3]), (8, 2, [0, 4]), (10, 4, [0, 2, 5, 7])],
)
def test_members_are_evenly_spaced_and_include_rank_0(
    world_size: int, max_samples: int, expected: list[int]
) -> None:
    assert member_ranks(world_size, max_samples) == expected


@pytest.mark.parametrize(("members", "max_samples"), [(1, 5), (3, 8), (8, 128), (5, 3)])
def test_quotas_are_balanced_and_add_up(members: int, max_samples: int) -> None:
    quotas = [quota(i, members, max_samples) for i in range(members)]

    assert sum(quotas) == max_samples
    assert max(quotas) - min(quotas) <= 1
