"""What a monitor accepts, and what it says to the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gramscope.callbacks import GramMatrixCallback
from gramscope.monitor import Engine, Monitor
from gramscope.picture.look import Look
from tests.support import events, monitor_threads

WRONG: list[dict[str, Any]] = [
    {"feature_key": ""},
    {"feature_key": None},
    {"feature_key": 3},
    {"max_samples": 0},
    {"max_samples": True},
    {"max_samples": "8"},
    {"views": 1},
    {"views": {"count": 2, "layout": "mixed"}},
    {"metrics": "all"},
    {"metrics": ["offdiag_men"]},
    {"thresholds": {"confirm_event": 1}},
    {"thresholds": 3},
    {"log_key": " "},
    {"save_dir": __file__},
    {"save_dir": "s3://bucket/gram"},
    {"save_limit_mb": 0},
    {"save_limit_mb": "10 GB"},
    {"max_pending": 0},
    {"max_pending": 2.0},
    {"timeout_s": 0},
    {"timeout_s": "1"},
]


def refusal(of: Any, **arguments: Any) -> str:
    with pytest.raises((ValueError, TypeError)) as refused:
        of(**arguments)
    return f"{refused.type.__name__}: {refused.value}"


@pytest.mark.parametrize("arguments", WRONG, ids=str)
def test_it_refuses_what_the_callback_refuses_in_the_same_words(arguments: dict[str, Any]) -> None:
    assert refusal(Monitor, **arguments) == refusal(GramMatrixCallback, **arguments)
    assert monitor_threads() == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"feature_key": {}}, "`feature_key` to be a mapping from roles to feature keys"),
        ({"feature_key": {"a": ""}}, "`feature_key.a` to be a non-empty string, but got ''"),
        ({"feature_key": {"a b": "f"}}, "`feature_key` to have roles of letters"),
        ({"look": "label"}, "`look` to be a Look, but got 'label'"),
        ({"look": Look("lable")}, "`order` to be one of 'rank', 'cluster', 'label', but got 'la"),
        ({"look": Look(panels=("histo",))}, "`panels` to be one of 'histogram', 'spectrum'"),
    ],
    ids=str,
)
def test_what_is_its_own_is_refused_as_clearly(arguments: dict[str, Any], says: str) -> None:
    assert f"Expected argument {says}" in refusal(Monitor, **arguments)
    assert monitor_threads() == []


def test_two_that_would_keep_their_pictures_in_each_other_s_place_are_refused(
    tmp_path: Path,
) -> None:
    first = Monitor("teacher", save_dir=tmp_path)
    try:
        says = refusal(Monitor, feature_key="student", save_dir=str(tmp_path))
        Monitor("student", log_key="student", save_dir=tmp_path).close()
    finally:
        first.close()

    assert "Expected argument `log_key` to be another than that of the monitor of 'teacher'" in says
    Monitor("student", save_dir=tmp_path).close()  # after the first has ended


def observed(engine: Engine, *steps: Any, **arguments: Any) -> Monitor:
    monitor = Monitor("f", 8, engine=engine, **arguments)
    for step in steps:
        monitor.observe(step=step, features=torch.eye(3))
    monitor.close()
    return monitor


def test_what_is_no_step_is_a_counted_skip(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = observed(engine, -1, 2.0, True, None, "1", 1, np.float32(2), [3])

    assert monitor.outcomes == {"bad_step": 7, "logged": 1}
    (said,) = caplog.messages
    assert "gram_matrix at step -1: a step has to be a whole number from 0" in said


def test_steps_that_start_anew_with_each_epoch_are_said(
    tmp_path: Path, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = observed(engine, 0, 5, 0, 5, 10, save_dir=tmp_path)

    assert monitor.outcomes == {"bad_step": 2, "logged": 3}
    (said,) = caplog.messages
    assert "at step 0: step 5 has been observed before, and steps have to grow" in said
    assert [event["step"] for event in events(tmp_path)] == [0, 5, 10]


def test_numbers_of_other_libraries_are_steps(tmp_path: Path, engine: Engine) -> None:
    monitor = Monitor("f", 8, save_dir=tmp_path, engine=engine)

    monitor.observe(step=np.int64(3), features=torch.eye(3), draw=np.bool_(False))  # type: ignore[arg-type]
    monitor.observe(step=torch.tensor(4), features=torch.eye(3))  # type: ignore[arg-type]
    monitor.close()

    assert [(e["step"], e["drawn"]) for e in events(tmp_path)] == [(3, False), (4, True)]


@pytest.mark.parametrize(
    ("key", "features", "says"),
    [
        (
            "f",
            None,
            "no features 'f' in a NoneType; expected a tensor [N, D], or more dimensions",
        ),
        ("f", [[1.0, 2.0]], "no features 'f' in a list"),
        ("f", {"g": torch.eye(3)}, "no output has feature_key='f'; there is: g"),
        ("f", {"f": [1.0]}, "feature_key='f' leads to a list"),
        ("f", np.ones((3, 2), int), "a tensor of shape [3, 2] and torch.int64"),
        ({"a": "x", "b": "y"}, torch.eye(3), "'x' and 'y' in a Tensor; expected a mapping that h"),
    ],
    ids=str,
)
def test_what_holds_no_features_is_a_counted_skip(
    key: Any, features: Any, says: str, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = Monitor(key, 8, engine=engine)
    for step in (1, 2):
        monitor.observe(step=step, features=features)

    events = monitor.close()

    assert [event.status for event in events] == ["skipped", "skipped"]
    (said,) = [text for text in caplog.messages if "at step 1" in text and "rank 0" not in text]
    assert says in said


def test_an_array_of_numpy_s_is_taken(engine: Engine) -> None:
    monitor = Monitor("f", 8, engine=engine)

    monitor.observe(step=1, features=np.eye(4, dtype=np.float32))

    (event,) = monitor.close()
    assert (event.status, event.n, event.metrics["offdiag_mean"]) == ("logged", 4, 0.0)


def test_a_call_that_is_wrong_does_not_reach_the_loop(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = Monitor("f", 8, engine=engine)

    monitor.observe(step=1, feature=torch.eye(3))  # type: ignore[call-arg]

    assert [event.reason for event in monitor.close()] == ["capture_failed"]
    assert "unexpected keyword argument 'feature'" in caplog.text


def test_what_is_observed_after_the_end_is_said_and_counted(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = observed(engine, 1)

    for step in (2, 3):
        monitor.observe(step=step, features=torch.eye(3))

    assert monitor.outcomes == {"logged": 1, "closed": 2}
    (said,) = caplog.messages
    assert "gram_matrix at step 2: the monitor has been closed" in said
    assert monitor.finished() == []


def test_a_monitor_that_is_made_before_its_process_group_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")

    Monitor("f").close()

    assert "Make it after torch.distributed.init_process_group" in caplog.text
