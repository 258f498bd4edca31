"""Which rows are taken."""

from __future__ import annotations

import pytest
import torch

from gramscope.config.views import Views
from gramscope.events import Reason
from gramscope.monitor.capture import StepCapture
from gramscope.monitor.identity import identity_of
from gramscope.monitor.rows import member_ranks, quota


def step(
    batches: list[torch.Tensor], limit: int, micro_batches: int = 1, views: Views | None = None
) -> StepCapture:
    """What is taken of a step's micro-batches."""
    capture = StepCapture("f", lambda count: max(1, limit // count), micro_batches)
    for rows in batches:
        capture.begin_micro_batch({"": views})
        capture.offer({"f": rows})
        capture.end_micro_batch()
    return capture


def numbered(sizes: list[int]) -> list[torch.Tensor]:
    """Rows that hold their position in the step."""
    return [row[:, None].expand(-1, 3) for row in torch.arange(float(sum(sizes))).split(sizes)]


def taken(capture: StepCapture) -> list[int]:
    """Positions of the rows, checked against what is said of their identity."""
    found: list[int] = []
    for chunk in capture.chunks:
        rows = chunk.features[""][:, 0].int().tolist()
        assert identity_of(chunk.chosen, chunk.declared).index.tolist() == rows
        found += rows
    return found


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
    assert taken(step(numbered(sizes), limit, micro_batches)) == expected


@pytest.mark.parametrize(
    ("sizes", "limit", "views", "expected"),
    [
        ([8], 4, Views(2), [0, 2, 4, 6]),
        ([8], 4, Views(2, "interleaved"), [0, 1, 4, 5]),
        ([8], 8, Views(2, "interleaved"), [0, 1, 2, 3, 4, 5, 6, 7]),
        ([12], 6, Views(3), [0, 2, 4, 6, 8, 10]),
        ([12], 4, Views(4, "interleaved"), [0, 1, 2, 3]),
        ([8, 8], 8, Views(2), [0, 2, 4, 6, 8, 10, 12, 14]),
        ([256], 128, Views(2, "interleaved"), [i + j for i in range(0, 256, 4) for j in (0, 1)]),
    ],
)
def test_samples_are_taken_with_all_their_views(
    sizes: list[int], limit: int, views: Views, expected: list[int]
) -> None:
    assert taken(step(numbered(sizes), limit, len(sizes), views)) == expected


def test_views_that_do_not_divide_the_rows_are_no_views_and_it_is_said() -> None:
    capture = step(numbered([7]), 7, views=Views(2))

    assert taken(capture) == [0, 1, 2, 3, 4, 5, 6]
    assert [*capture.remarks] == ["views: 2 do not divide the 7 rows"]


def test_features_of_several_roles_give_rows_of_the_same_samples_and_views() -> None:
    capture = StepCapture({"t": "teacher", "s": "student"}, lambda count: 4 // count)
    capture.begin_micro_batch({"t": Views(2), "s": Views(3, "interleaved")})
    student = torch.tensor([[10 * s + v] for s in range(4) for v in range(3)]).float()
    teacher = torch.tensor([[10 * s + v] for v in range(2) for s in range(4)]).float()

    capture.offer({"teacher": teacher, "student": student})

    (chunk,) = capture.chunks
    assert chunk.features["t"].flatten().tolist() == [0, 20, 1, 21]
    assert torch.equal(chunk.features["t"], chunk.features["s"])
    identity = identity_of(chunk.chosen, chunk.declared)
    assert identity.view.tolist() == [0, 0, 1, 1]
    assert identity.sample.tolist() == [0, 2, 0, 2]


def test_a_feature_of_other_rows_is_left_out_with_the_reason() -> None:
    capture = StepCapture({"t": "teacher", "s": "student"}, 8)
    capture.begin_micro_batch()
    capture.offer({"teacher": torch.zeros(4, 2), "student": torch.zeros(12, 2)})
    capture.end_micro_batch()

    assert [*capture.chunks[0].features] == ["t"]
    assert capture.error is None
    assert capture.lacking["s"].reason is Reason.other_rows
    assert "'student' has 12 rows" in str(capture.lacking["s"])


def test_the_output_with_the_most_features_counts() -> None:
    capture = StepCapture({"t": "teacher", "s": "student"}, 8)
    capture.begin_micro_batch()
    both = {"teacher": torch.ones(4, 2), "student": torch.ones(4, 2)}

    assert capture.offer({"teacher": torch.zeros(4, 2)})
    assert capture.offer(both)
    assert not capture.offer({"student": torch.zeros(4, 2)}, override=True)

    assert len(capture.chunks) == 1
    assert all(f.eq(1).all() for f in capture.chunks[0].features.values())


def test_rows_are_copies() -> None:
    features = torch.zeros(4, 2, requires_grad=True) + 1
    capture = step([features], 4)

    features.detach().fill_(9)

    rows = capture.chunks[0].features[""]
    assert rows.tolist() == [[1.0, 1.0]] * 4
    assert rows.grad_fn is None
    assert rows.untyped_storage().data_ptr() != features.untyped_storage().data_ptr()


def test_a_token_of_a_large_tensor_does_not_keep_it_alive() -> None:
    capture = step([torch.zeros(4, 100, 2)], 4)

    assert capture.chunks[0].features[""].untyped_storage().nbytes() == 4 * 2 * 4


def test_an_override_is_as_if_the_first_had_not_been() -> None:
    capture = StepCapture("f", 3)
    capture.begin_micro_batch()
    capture.offer({"f": torch.zeros(9, 1)})

    capture.offer({"f": torch.arange(6.0)[:, None]}, override=True)

    assert taken(capture) == [0, 2, 4]


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
