"""Schedules: where they start, peak and end."""

from __future__ import annotations

import pytest

from project.dinov2.schedules import CosineSchedule


@pytest.mark.parametrize(
    ("step", "expected"), [(0, 0.0), (5, 0.5), (10, 1.0), (55, 0.6), (100, 0.2), (1000, 0.2)]
)
def test_warm_up_then_half_a_cosine(step: int, expected: float) -> None:
    schedule = CosineSchedule(base=1.0, final=0.2, warmup=0.1)

    assert schedule(step, 101) == pytest.approx(expected)


def test_a_longer_training_stretches_the_schedule() -> None:
    schedule = CosineSchedule(base=1.0, final=0.0, start=0.5, warmup=0.25)

    assert schedule(30, 101) == pytest.approx(schedule(300, 1001))


def test_equal_base_and_final_stay() -> None:
    schedule = CosineSchedule(base=0.07, final=0.07, start=0.04, warmup=0.3)

    assert [schedule(s, 11) for s in (0, 3, 7, 10)] == pytest.approx([0.04, 0.07, 0.07, 0.07])


def test_warm_up_of_the_whole_training() -> None:
    assert CosineSchedule(1.0, 0.0, warmup=1.0)(10, 11) == 1.0


def test_a_training_of_one_step() -> None:
    assert CosineSchedule(1.0, 0.0)(0, 1) == 1.0


def test_a_bad_warm_up_is_named() -> None:
    with pytest.raises(ValueError, match="warmup"):
        CosineSchedule(1.0, 0.0, warmup=1.5)
