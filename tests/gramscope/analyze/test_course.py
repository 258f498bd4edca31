"""What one file is a sign of, and what several are together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from gramscope.analyze.course import steps_of
from gramscope.report.diagnose.watched import diagnose
from tests.gramscope.analyze.conftest import Said

RNG = np.random.default_rng(0)
CLOUD = RNG.normal(size=(200, 16))
LINE = np.outer(RNG.normal(size=200), RNG.normal(size=16))
NOISE = RNG.normal(size=(200, 16))


@pytest.mark.parametrize(
    ("rows", "state", "signs"),
    [
        pytest.param(CLOUD, "warming_up", [], id="isotropic"),
        pytest.param(
            np.ones((200, 16)), "duplicates", ["spread", "participation_ratio"], id="one point"
        ),
        pytest.param(
            5 + 0.1 * NOISE, "warming_up", ["spread", "duplicate_share"], id="nearly one point"
        ),
        pytest.param(
            3 + LINE + 0.2 * NOISE, "warming_up", ["participation_ratio"], id="a line aside"
        ),
        pytest.param(
            LINE + 1e-3 * NOISE, "duplicates", ["participation_ratio"], id="a line through 0"
        ),
        pytest.param(
            CLOUD[:2][np.arange(200) % 2] + 1e-3 * NOISE,
            "duplicates",
            ["participation_ratio"],
            id="two points",
        ),
        pytest.param(CLOUD[np.arange(200) // 2], "duplicates", [], id="twice"),
        pytest.param(CLOUD * np.nan, "non_finite", [], id="NaN"),
    ],
)
def test_one_look(rows: npt.NDArray[np.float64], state: str, signs: list[str], said: Said) -> None:
    np.save("z.npy", rows)

    found = said("z.npy")

    assert found["state"]["name"] == state
    assert [sign["number"] for sign in found["signs"]] == signs
    assert "one look" in found["state"]["sentence"].lower() or state == "non_finite"


def test_views_that_are_the_same_are_seen_at_once(said: Said) -> None:
    np.save("z.npy", np.concatenate([CLOUD, CLOUD]))

    assert said("z.npy", "--views", 2)["state"]["name"] == "views_identical"


def test_several_files_are_a_course_in_the_order_of_their_steps(said: Said) -> None:
    for step, scale in ((100, 1.0), (200, 0.9), (1000, 0.01)):
        np.save(f"z_step_{step}.npy", 2 + scale * CLOUD)

    # As a shell has them.
    files = sorted(str(path) for path in Path().glob("z_step_*.npy"))
    found = said(*files, "--save-dir", "kept")

    steps = [(one["step"], one["diagnosis"]) for one in found["files"]]
    assert steps == [(100, "warming_up"), (200, "warming_up"), (1000, "complete_collapse")]
    assert found["state"]["alarm"]
    assert found["state"]["evidence"][0]["number"] == "spread"
    (watched,), _ = diagnose([Path("kept")], {"confirm_events": 1})
    assert watched.state.name == "complete_collapse"
    assert watched.history.title == "z_step"


def test_a_file_ends_a_state_as_it_begins_one(said: Said) -> None:
    np.save("1.npy", CLOUD * np.nan)
    np.save("2.npy", CLOUD)

    files = said("1.npy", "2.npy")["files"]

    assert [one["diagnosis"] for one in files] == ["non_finite", "warming_up"]


def test_of_all_files_as_many_rows_are_taken_as_the_smallest_has(said: Said) -> None:
    np.save("a.npy", CLOUD)
    np.save("b.npy", CLOUD[:50])

    files = said("a.npy", "b.npy")["files"]

    assert [one["rows_read"] for one in files] == [50, 50]


@pytest.mark.parametrize(
    ("names", "steps", "counted"),
    [
        (["z.npy"], [1], True),
        (["step_700.npy"], [1], True),
        (["z_step_200.npy", "z_step_100.npy"], [200, 100], False),
        (["step=20-v2.npy", "step=30-v2.npy"], [20, 30], False),
        (["epoch3.npy", "epoch12.npy"], [3, 12], True),
        (["a.npy", "b.npy"], [1, 2], True),
        (["a1.npy", "b1.npy"], [1, 2], True),
        (["a1.npy", "b.npy"], [1, 2], True),
        ([f"step_{10**16}.npy", "step_2.npy"], [1, 2], True),
    ],
)
def test_the_step_is_in_the_name(names: list[str], steps: list[int], counted: bool) -> None:
    found = steps_of([Path(name) for name in names])

    assert (found.of, found.counted) == (steps, counted)


def test_files_that_only_count_are_no_first_optimizer_steps(said: Said) -> None:
    thin = CLOUD * np.array([1.0] * 3 + [0.01] * 13)  # less than 35 % of the first rank
    for name in ("1", "2", "step1", "step2"):
        np.save(f"{name}.npy", CLOUD if "1" in name else thin)

    assert said("1.npy", "2.npy")["state"]["name"] == "warming_up"
    assert said("step1.npy", "step2.npy")["state"]["name"] == "dimensional_collapse"
