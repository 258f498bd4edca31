"""Memory that is used again, and only when nobody looks at it any more."""

from __future__ import annotations

import torch

from gramscope.monitor.buffers import BufferPool
from gramscope.monitor.pooling import Features
from gramscope.monitor.rows import RowSampler, copy_rows

ROWS = torch.arange(12.0).reshape(4, 3)


def test_a_buffer_given_back_is_taken_again_if_it_fits() -> None:
    pool = BufferPool(2)
    first = pool.take(4, ROWS)

    pool.give_back([first])

    assert pool.take(4, ROWS) is first
    assert pool.take(4, ROWS) is not first


def test_a_buffer_of_another_shape_or_dtype_is_not_taken() -> None:
    pool = BufferPool(2)
    for like in (ROWS[:, :2], ROWS.half()):
        pool.give_back([torch.empty(4, 3)])
        taken = pool.take(4, like)
        assert (taken.shape, taken.dtype) == (like.shape, like.dtype)


def test_no_more_than_the_capacity_is_kept() -> None:
    pool = BufferPool(1)
    buffers = [torch.empty(4, 3) for _ in range(3)]

    pool.give_back(buffers)

    assert pool.take(4, ROWS) is buffers[-1]
    assert all(pool.take(4, ROWS) is not b for b in buffers)


def test_rows_in_used_memory_are_the_same_rows() -> None:
    pool = BufferPool(2)
    for limit, expected in ((4, [0, 1, 2, 3]), (2, [0, 2])):
        pool.give_back([torch.full((limit, 3), 99.0)])
        chosen = RowSampler(lambda _, limit=limit: limit).choose(4, samples=4)
        assert torch.equal(copy_rows(Features(ROWS), chosen, None, pool), ROWS[expected])


def test_memory_made_in_inference_mode_can_be_written_to_outside_of_it() -> None:
    pool = BufferPool(1)
    with torch.inference_mode():
        pool.give_back([pool.take(4, ROWS)])

    pool.take(4, ROWS).copy_(ROWS)
