"""Which step's patches were grouped best, against the formula over a whole run."""

from __future__ import annotations

import json
import math
import random
from statistics import pstdev

import pytest

from gramscope.diagnosis import DenseCourse, Snapshot, best_snapshot

Terms = tuple[float, float, float]


def numbers(inter: float, intra: float, rank: float) -> dict[str, float]:
    return {"dense_inter": inter, "dense_intra": intra, "dense_rank": rank, "patch_similarity": 0.1}


def qualities(run: list[Terms]) -> list[float]:
    """The estimate of every event, with the weight that all of them give."""
    apart = [inter - intra for inter, intra, _ in run]
    rank = [rank for *_, rank in run]
    weight = pstdev(apart) / pstdev(rank)
    return [a + weight * r for a, r in zip(apart, rank, strict=True)]


def some_run(seed: int) -> list[Terms]:
    """Terms that change against one another, with noise."""
    draw, events = random.Random(seed), 30 + seed
    slope, noise = (seed % 5) - 2, (0.0, 0.01, 0.3)[seed % 3]
    return [
        (
            1 + slope * math.sin(3 * i / events) + noise * draw.random(),
            0.5 + noise * draw.random(),
            0.3 + 0.1 * math.cos(2 * i / events) + noise * draw.random(),
        )
        for i in range(events)
    ]


@pytest.mark.parametrize("seed", range(15))
def test_the_best_at_every_event_is_that_of_the_whole_run_until_then(seed: int) -> None:
    run, course = some_run(seed), DenseCourse()
    for i, terms in enumerate(run):
        course.update(10 * i + 10, numbers(*terms))
        if i < 2:
            assert course.best is None
            continue
        found, expected = course.best, qualities(run[: i + 1])

        assert found is not None
        assert found.quality == pytest.approx(max(expected))
        assert expected[found.step // 10 - 1] == pytest.approx(max(expected))
        assert found.first == (10, pytest.approx(expected[0]))
        assert found.last == (10 * i + 10, pytest.approx(expected[-1]))
        assert (found.inter, found.intra, found.rank) == run[found.step // 10 - 1]
        assert found.step in course.steps


def test_steps_that_no_weight_makes_the_best_are_not_kept() -> None:
    course = DenseCourse()
    terms = [(1.0, 0.1), (0.95, 0.2), (0.7, 0.3), (0.69, 0.25), (0.85, 0.21), (0.0, 0.4)]
    terms.append((-0.5, 0.05))
    for step, (inter, rank) in enumerate(terms, start=1):
        course.update(step, numbers(inter, 0.5, rank))

    best_of = {max(range(7), key=lambda i: terms[i][0] + w * terms[i][1]) for w in range(1, 100)}
    assert set(course.steps) == {i + 1 for i in best_of | {0}}
    assert 0 < len(course.steps) < 7


def test_a_long_run_takes_little_memory() -> None:
    draw, course = random.Random(0), DenseCourse()
    for step in range(3000):
        inter = draw.random()
        course.update(step, numbers(inter, 0.5, (1 - inter) ** 2 + 0.01 * draw.random()))

    assert len(course.steps) < 30
    assert len(json.dumps(course.memory())) < 5000


def test_a_course_goes_on_from_its_memory() -> None:
    run, course = some_run(2), DenseCourse()
    for i, terms in enumerate(run):
        course = DenseCourse.recall(json.loads(json.dumps(course.memory())))
        course.update(i, numbers(*terms))

    assert course.best == best_snapshot((i, numbers(*terms)) for i, terms in enumerate(run))


def test_events_without_all_terms_are_passed_over() -> None:
    run = [(step, numbers(1 + step / 100, 0.5, 0.3 + step / 100)) for step in (10, 20, 30)]
    other = [(5, {"spread": 0.1}), (6, numbers(9, math.nan, 0.3)), (40, {"dense_inter": 9.0})]

    assert best_snapshot(run[:2] + other) is None
    assert best_snapshot(run + other) == best_snapshot(run)


@pytest.mark.parametrize("rank", [0.3, 0.1 + 0.2])
def test_a_rank_that_does_not_change_counts_for_nothing(rank: float) -> None:
    found = best_snapshot(
        [(5, numbers(0.8, 0.5, 0.3)), (10, numbers(1, 0.5, rank)), (20, numbers(0.9, 0.5, 0.3))]
    )

    assert found is not None
    assert (found.step, found.quality) == (10, 0.5)


def test_of_equal_events_the_first_is_the_best() -> None:
    found = best_snapshot((step, numbers(1, 0.5, 0.3)) for step in (5, 10, 20))

    assert found is not None
    assert found.step == 5


def test_a_snapshot_in_words() -> None:
    snapshot = Snapshot(200, 1.234, (0, 0.8), (300, 1.1), inter=1.1, intra=0.521, rank=0.31)

    assert snapshot.text == (
        "step 200 (dense quality 1.23: inter 1.10, intra 0.52, rank 0.31; first event, step 0: "
        "0.80; last, step 300: 1.10)"
    )


def test_what_no_step_has_made_is_no_snapshot() -> None:
    run = [(step, numbers(1, 0.5, 0.3 - step / 1000)) for step in (10, 20, 30)]

    assert best_snapshot([(0, numbers(9, 0.1, 0.9)), *run]) == best_snapshot(run)
