"""The patches of fixed samples: numbers, picture, and at which step they were best."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from gramscope import GramPatchCallback, metrics
from gramscope.diagnosis.dense import best_snapshot
from gramscope.events import Event
from gramscope.events.files import read_events
from tests.gramscope.callbacks.probed import GRID, Images, PatchSSL, Unhurried, fit, matrix

# Lightning's own, of what is tried here on purpose.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists"),
    pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before"),
]


def watched(directory: Path, **settings: Any) -> GramPatchCallback:
    return GramPatchCallback(
        **{
            "log_every_n_steps": 3,
            "feature_key": "patches",
            "max_samples": 6,
            "class_key": "token",
            "input_key": "image",
            "save_dir": directory / "gram",
            **settings,
        }
    )


def events(directory: Path) -> list[Event]:
    found, problems = read_events(directory / "gram" / "events.jsonl")
    assert not problems
    return found


def encoded(module: PatchSSL, count: int = 6) -> dict[str, torch.Tensor]:
    module.eval()
    with torch.no_grad():
        found: dict[str, torch.Tensor] = module.model(Images().volumes[:count])
    return found


def test_the_last_event_is_of_the_patches_as_they_are_then(tmp_path: Path) -> None:
    callback = watched(tmp_path, sample=2, patch=[1, 2, 3], raw_key="raw")

    module = fit(tmp_path, callback)

    assert callback.outcomes == {"logged": 4}
    of = encoded(module)
    last, event = matrix(tmp_path / "gram", "gram_patch", 7), events(tmp_path)[-1]
    z = normalize(of["patches"][2], dim=1)
    assert np.allclose(last.gram, z @ z.T, atol=1e-5)
    assert last.patches is not None
    assert (last.patches.grid, last.patches.patch) == (GRID, 23)
    assert np.allclose(last.patches.similarity, z @ z[23], atol=1e-5)
    image = Images().volumes[2, 0]
    assert last.patches.image is not None
    assert last.patches.image.shape == image.shape
    scaled = (image - image.min()) / (image.max() - image.min())
    assert np.allclose(last.patches.image, scaled, atol=1e-3)
    expected = metrics.patches(of["patches"], raw=of["raw"])
    for name in ("dense_inter", "dense_intra", "dense_rank", "patch_similarity"):
        assert event.metrics[name] == pytest.approx(expected[name], abs=1e-4)
    assert event.metrics["patch_norm_outliers"] == expected["patch_norm_outliers"]
    of_class = metrics.standard(of["token"])
    assert event.metrics["class/effective_rank"] == pytest.approx(of_class["effective_rank"], 1e-3)


def test_the_class_token_and_registers_are_left_out_by_their_number(tmp_path: Path) -> None:
    by_name, by_number = (
        watched(tmp_path / "a"),
        watched(tmp_path / "b", feature_key="all", prefix_tokens=3, class_key=None),
    )

    fit(tmp_path / "a", by_name, steps=3)
    fit(tmp_path / "b", by_number, steps=3)

    a, b = (events(tmp_path / w)[-1] for w in "ab")
    assert a.metrics == pytest.approx(b.metrics, abs=1e-5)


def test_drift_is_that_of_each_sample_s_matrix(tmp_path: Path) -> None:
    callback = watched(tmp_path, log_every_n_steps=2, max_samples=1)

    fit(tmp_path, callback)

    found = events(tmp_path)
    grams = [matrix(tmp_path / "gram", "gram_patch", e.step).gram for e in found]
    for before, now, event in zip(grams, grams[1:], found[1:], strict=False):
        moved = np.linalg.norm(now - before) / len(now)
        assert event.metrics["gram_drift"] == pytest.approx(moved, abs=1e-3)
    best = best_snapshot([(e.step, e.metrics) for e in found[:-1]])
    assert best is not None
    at = [e.step for e in found].index(best.step)
    distance = np.linalg.norm(grams[-1] - grams[at]) / len(grams[-1])
    assert found[-1].metrics["anchor_distance"] == pytest.approx(distance, abs=1e-3)
    last = best_snapshot([(e.step, e.metrics) for e in found])
    assert last is not None
    assert dict(callback.findings)["gram teacher"] == last.text


def test_masked_and_other_patches_drift_apart(tmp_path: Path) -> None:
    volumes, masked = Images().volumes, np.arange(24 * 24).reshape(24, 24) % 3 == 0
    np.savez(tmp_path / "samples.npz", image=volumes.numpy(), mask=masked)
    callback = watched(
        tmp_path, samples=tmp_path / "samples.npz", mask_key="mask", max_samples=1, sample=0
    )

    fit(tmp_path, callback)

    a, b = (matrix(tmp_path / "gram", "gram_patch", step).gram for step in (6, 7))
    there = np.flatnonzero(masked[0])
    moved = np.linalg.norm((b - a)[np.ix_(there, there)]) / len(there)
    numbers = events(tmp_path)[-1].metrics
    assert numbers["gram_drift_masked"] == pytest.approx(moved, abs=1e-3)
    assert numbers["gram_drift_unmasked"] != numbers["gram_drift_masked"]


def test_a_resumed_run_knows_the_best_step_of_all(tmp_path: Path) -> None:
    unhurried = Unhurried(tmp_path / "gram" / "gram_patch", every=2)
    fit(tmp_path, watched(tmp_path, log_every_n_steps=2), unhurried, steps=4)

    resumed = watched(tmp_path, log_every_n_steps=2)
    fit(tmp_path, resumed, resume=tmp_path / "ckpt" / "epoch=0-step=4.ckpt")

    held = torch.load(tmp_path / "ckpt" / "epoch=0-step=4.ckpt", weights_only=True)
    assert any("probe" in state for state in held["callbacks"].values())
    assert "first event, step 2" in dict(resumed.findings)["gram teacher"]
    assert {"gram_drift", "anchor_distance"} <= events(tmp_path)[-1].metrics.keys()


@pytest.mark.parametrize(
    ("settings", "outcomes", "said"),
    [
        (
            {"feature_key": "tokens"},
            {"missing_key": 4},
            "no patch tokens under feature_key='tokens'",
        ),
        ({"feature_key": "token"}, {"bad_shape": 4}, "expected patch tokens [N, T, D]"),
        ({"prefix_tokens": 23}, {"bad_shape": 4}, "leave 1; expected two at least"),
        ({"grid": [4, 4]}, {"logged": 4}, "grid=[4, 4] has 16 places, and there are 24 patches"),
        ({"prefix_tokens": 1, "class_key": None}, {"logged": 4}, "fill no grid of equal edges"),
        ({"patch": [5, 0, 0]}, {"logged": 4}, "patch=[5, 0, 0] is not in the grid [2, 3, 4]"),
        ({"sample": 6}, {"logged": 4}, "sample=6 is not among the 6 of rank 0"),
        ({"raw_key": "rough"}, {"logged": 4}, "raw_key='rough' leads to no [5, 24, …]"),
        ({"mask_key": "mask"}, {"logged": 4}, "mask_key='mask' leads to no [5, 24]"),
        ({"class_key": "raw"}, {"logged": 4}, "class_key='raw' leads to no [5, 8]"),
    ],
)
def test_what_does_not_fit_is_said_once_and_the_rest_is_there(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    settings: dict[str, Any],
    outcomes: dict[str, int],
    said: str,
) -> None:
    callback = watched(tmp_path, **settings)

    module = fit(tmp_path, callback)

    assert len(module.losses) == 7
    assert callback.outcomes == outcomes
    told = [r.message for r in caplog.records if r.levelno >= logging.WARNING and said in r.message]
    assert len(told) == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"grid": [4]}, "`grid` to be the numbers of patches along the two or three edges"),
        ({"grid": [4, 0]}, "`grid` to be the numbers of patches"),
        ({"patch": -1}, "`patch` to be a patch's number from 0, or its place"),
        ({"patch": [1]}, "`patch` to be a patch's number from 0, or its place"),
        ({"sample": -1}, "`sample` to be at least 0"),
        ({"prefix_tokens": -1}, "`prefix_tokens` to be at least 0"),
    ],
)
def test_wrong_values_are_named_at_construction(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        GramPatchCallback(**settings)
