"""What a run's state is, is said where people look, and ends a run that is to end."""

from __future__ import annotations

import copy
import inspect
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch import Tensor

from gramscope.callbacks import GramMatrixCallback, MonitorProgressBar, RepresentationMonitor
from gramscope.config.states import NUMBERS, require_visible
from gramscope.diagnosis import STATES, Diagnosis
from gramscope.diagnosis.rules import RULES
from tests.support import TinySSL, events, resume, trainer

EVERY_STEP: dict[str, Any] = {
    "metrics_every_n_steps": 1,
    "max_pending": 1000,
    "thresholds": {"confirm_events": 1, "clear_events": 1},
}
POINT = ("complete_collapse", torch.ones(16, 32))
BROKEN = ("non_finite", torch.full((16, 32), float("nan")))


class Scripted(TinySSL):
    """Shows features that are random, but for those of some steps."""

    def __init__(self, shown: dict[int, Tensor], batches: int = 200) -> None:
        super().__init__(batches=batches)
        self.shown = shown
        self.generator = torch.Generator().manual_seed(3)

    def training_step(self, batch: Tensor, batch_idx: int) -> Any:
        random = torch.randn(16, 32, generator=self.generator)
        features = self.shown.get(self.global_step + 1, random)
        return {"loss": self.model(batch)["teacher_cls_token"].square().mean(), "f": features}


def during(features: Tensor, *steps: int) -> Scripted:
    return Scripted(dict.fromkeys(steps, features))


def alarms(callback: Any) -> list[tuple[int, str]]:
    """Steps at which something was found to be wrong, and what."""
    return [(step, name) for step, name in callback.diagnoses if STATES[name].alarm]


@pytest.mark.parametrize(("state", "features"), [POINT, BROKEN], ids=["collapsed", "broken"])
def test_a_state_is_said_once_when_it_begins_and_when_it_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, state: str, features: Tensor
) -> None:
    callback = GramMatrixCallback(1000, "f", save_dir=tmp_path / "gram", **EVERY_STEP)

    with caplog.at_level(logging.INFO, "gramscope"):
        trainer(tmp_path, [callback], max_steps=12).fit(during(features, 5, 6, 7))

    found = {event["step"]: event for event in events(tmp_path / "gram")}
    assert [step for step, event in found.items() if event["diagnosis"] == state] == [5, 6, 7]
    begin = found[5]["change"]
    assert (begin["since"], begin["role"]) == (5, "")
    number, value, sign, threshold = begin["evidence"][0]
    assert number in found[5]["metrics"]
    assert (value < threshold) if sign == "below" else (value > threshold)
    assert found[6]["change"] is None
    assert found[8]["change"] is not None
    assert [said for said in alarms(callback) if said[1] == state] == [(5, state)]
    title = STATES[state].title
    (warning,) = [r.getMessage() for r in caplog.records if f"{title} since" in r.getMessage()]
    assert warning == f"f: {begin['text']}"
    assert f"f: {title} has ended at step 8." in caplog.messages
    assert callback.summary.endswith(f"; diagnosis {callback.diagnosis}")


def test_a_run_that_ends_in_an_alarm_says_what_to_do(tmp_path: Path) -> None:
    callback = GramMatrixCallback(1000, "f", **EVERY_STEP)

    trainer(tmp_path, [callback], max_steps=4).fit(during(POINT[1], 3, 4))

    assert callback.diagnosis == "complete_collapse"
    label, text = callback.findings[0]
    assert label == "diagnosis"
    assert text.startswith("complete collapse since step 3: ")
    assert text.endswith(STATES["complete_collapse"].advice)


def test_alert_false_keeps_the_log_quiet(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    callback = GramMatrixCallback(1000, "f", alert=False, save_dir=tmp_path, **EVERY_STEP)

    with caplog.at_level(logging.INFO, "gramscope"):
        trainer(tmp_path, [callback], max_steps=4).fit(during(POINT[1], 2, 3))

    assert (2, "complete_collapse") in callback.diagnoses
    assert "complete collapse" not in caplog.text


def test_of_several_features_the_state_names_the_one(tmp_path: Path) -> None:
    callback = RepresentationMonitor(
        1,
        {"good": "teacher_cls_token", "bad": "f"},
        capture="outputs",
        save_dir=tmp_path / "gram",
        **EVERY_STEP,
    )

    class Two(Scripted):
        def training_step(self, batch: Tensor, batch_idx: int) -> Any:
            good = torch.randn(16, 32, generator=self.generator)
            return {**super().training_step(batch, batch_idx), "teacher_cls_token": good}

    trainer(tmp_path, [callback], max_steps=3).fit(Two({3: POINT[1]}))

    last = events(tmp_path / "gram")[-1]
    assert last["diagnosis"] == "complete_collapse"
    assert last["change"]["role"] == "bad"
    assert last["change"]["text"].startswith("complete collapse (bad) since step 3")


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch")
def test_a_resumed_run_goes_on_in_its_state(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = (GramMatrixCallback(1000, "f", **EVERY_STEP) for _ in range(2))
    path = tmp_path / "four.ckpt"
    run = trainer(tmp_path, [first], max_steps=4)
    run.fit(during(POINT[1], *range(3, 9)))
    run.save_checkpoint(path)
    caplog.clear()

    with caplog.at_level(logging.WARNING, "gramscope.callbacks.loggers"):
        resumed = trainer(tmp_path, [second], max_steps=8)
        resume(resumed, during(POINT[1], *range(3, 8)), path)

    assert "complete collapse" not in caplog.text
    assert second.diagnoses[: len(first.diagnoses)] == first.diagnoses
    assert alarms(second).count((3, "complete_collapse")) == 1
    assert [name for _, name in alarms(second)].count("complete_collapse") == 1
    assert second.diagnosis != "complete_collapse"


def test_a_fit_from_the_start_begins_anew(tmp_path: Path) -> None:
    callback = GramMatrixCallback(1000, "f", **EVERY_STEP)

    for _ in range(2):
        trainer(tmp_path, [callback], max_steps=4).fit(during(POINT[1], 3, 4))

    assert alarms(callback) == [(3, "complete_collapse"), (3, "complete_collapse")]


def test_copies_have_states_of_their_own(tmp_path: Path) -> None:
    callback = GramMatrixCallback(1000, "f", **EVERY_STEP)
    before = copy.deepcopy(callback)

    trainer(tmp_path, [callback], max_steps=3).fit(during(POINT[1], 3))
    after = copy.deepcopy(callback)

    assert (before.diagnosis, before.diagnoses) == ("warming_up", [])
    assert (after.diagnosis, after.diagnoses) == ("complete_collapse", callback.diagnoses)


def test_a_diagnosis_that_fails_costs_no_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("as planned")

    monkeypatch.setattr(Diagnosis, "update", fail)
    callback = GramMatrixCallback(1000, "f", save_dir=tmp_path / "gram", **EVERY_STEP)

    trainer(tmp_path, [callback], max_steps=3).fit(Scripted({}))

    assert callback.outcomes == {"logged": 3}
    assert [event["diagnosis"] for event in events(tmp_path / "gram")] == [None] * 3
    assert callback.diagnosis == "warming_up"
    assert callback.findings[0][0] != "diagnosis"
    assert len([text for text in caplog.messages if "as planned" in text]) == 1


def test_the_bar_shows_a_state_that_is_an_alarm(tmp_path: Path) -> None:
    callback, bar = GramMatrixCallback(1000, "f", **EVERY_STEP), MonitorProgressBar()
    fit = trainer(tmp_path, [callback, bar], max_steps=3, enable_progress_bar=True)

    fit.fit(during(POINT[1], 3))

    assert bar.get_metrics(fit, fit.lightning_module)["state"] == "complete_collapse"


def stopping(**more: Any) -> GramMatrixCallback:
    """One that is due at every other step, and needs no second event to be sure."""
    sure = {"thresholds": {"confirm_events": 1}, "metrics_every_n_steps": 2}
    states = ["non_finite", "complete_collapse"]
    return GramMatrixCallback(1000, "f", stop_on=states, **sure, **more)


@pytest.mark.parametrize("checkpoints", ["own", "none"])
def test_stop_on_ends_training_after_a_checkpoint(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, checkpoints: str
) -> None:
    callback = stopping(max_pending=1000)
    keeper = ModelCheckpoint(tmp_path / "kept", every_n_train_steps=100)
    own = {"callbacks": [callback, keeper], "enable_checkpointing": True}
    arguments = own if checkpoints == "own" else {"callbacks": [callback]}
    run = trainer(tmp_path, max_steps=10_000, max_epochs=-1, **arguments)

    run.fit(during(POINT[1], *range(5, 10_000)))

    assert run.global_step % 2 == 0
    assert 6 <= run.global_step < 10_000
    assert callback.stopped == "complete_collapse"
    name = f"stopped_step_{run.global_step:08d}.ckpt"
    path = tmp_path / ("kept" if checkpoints == "own" else ".") / name
    assert torch.load(path, weights_only=False)["global_step"] == run.global_step
    (said,) = [text for text in caplog.messages if "Training is stopped" in text]
    assert f"at step {run.global_step} on all ranks" in said
    assert "f: complete collapse since step 6" in said
    assert str(path.parent) in said
    kinds = {type(c).__name__ for c in run.callbacks}
    assert not kinds & {"Agreement", "Ending"}


def test_min_steps_are_respected(tmp_path: Path) -> None:
    callback = stopping(max_pending=1000)
    run = trainer(tmp_path, [callback], max_steps=10_000, min_steps=120, max_epochs=-1)

    run.fit(Scripted(dict.fromkeys(range(3, 10_000), POINT[1]), batches=30))

    assert 120 <= run.global_step < 10_000
    assert len([*tmp_path.glob("stopped_step_*.ckpt")]) == 1


def test_a_checkpoint_that_cannot_be_written_is_no_reason_to_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    callback = stopping(save_dir=tmp_path / "gram")
    root = str(tmp_path / "file")
    run = trainer(tmp_path, [callback], max_steps=10_000, max_epochs=-1, default_root_dir=root)

    run.fit(during(POINT[1], *range(3, 10_000)))

    assert run.global_step < 10_000
    assert "Checkpoint: none (" in caplog.text


def test_nothing_stops_a_run_whose_states_are_not_named(tmp_path: Path) -> None:
    callback = GramMatrixCallback(1000, "f", stop_on=["non_finite"], **EVERY_STEP)
    run = trainer(tmp_path, [callback], max_steps=20)

    run.fit(during(POINT[1], *range(3, 21)))

    assert (run.global_step, callback.stopped) == (20, "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"alert": "yes"}, "`alert` to be true or false, but got 'yes'"),
        ({"stop_on": 3}, "`stop_on` to be a list of states, but got 3"),
        ({"stop_on": ["non_finit"]}, "`stop_on` .* 'non_finit', which is no state; there is non_f"),
        ({"stop_on": "healthy"}, "`stop_on` .* 'healthy', which is no alarm"),
        ({"stop_on": ["warming_up"]}, "`stop_on` .* 'warming_up', which is no alarm"),
        ({"stop_on": ["head_collapse"]}, "`stop_on` .* needs head and backbone among `features`"),
        ({"stop_on": ["uniform_assignment"]}, "`stop_on` .* needs the logits of teacher and stu"),
        ({"stop_on": ["teacher_student_divergence"]}, "`stop_on` .* needs teacher and student"),
        ({"stop_on": ["dense_degradation"]}, "`stop_on` .* needs patches"),
        ({"stop_on": ["stalled"], "metrics": "gram"}, "needs view_correlation, which `metrics`"),
        (
            {"stop_on": ["stalled"], "metrics": ["spread"]},
            "needs view_correlation, which `metrics`",
        ),
        (
            {"stop_on": ["cluster_collapse"], "metrics": "gram"},
            "needs duplicate_share and spread, which `metrics` leaves out",
        ),
        ({"thresholds": 3}, "`thresholds` to be a mapping from thresholds to values, but got 3"),
        ({"thresholds": {"confirm_event": 1}}, "`thresholds` has no 'confirm_event'"),
        ({"thresholds": {"confirm_events": 0}}, "`thresholds.confirm_events` must be from 1"),
        ({"thresholds": {"confirm_events": "1"}}, "`thresholds.confirm_events` must be a number"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises((ValueError, TypeError), match=says):
        GramMatrixCallback(**arguments)


@pytest.mark.parametrize("state", sorted(NUMBERS.keys() - {"head_collapse"}))
def test_the_numbers_that_a_state_needs_are_those_of_its_rule(state: str) -> None:
    rules = [inspect.getsource(rule.holds) for rule in RULES if rule.state == state]

    assert any(all(f'"{name}"' in rule for name in NUMBERS[state]) for rule in rules)


def of(*roles: str) -> dict[str, str]:
    return {role: f"key_of_{role}" for role in roles}


@pytest.mark.parametrize(
    ("features", "state", "seen"),
    [
        (of("teacher_head", "teacher_backbone"), "head_collapse", True),
        (of("head", "backbone"), "head_collapse", True),
        (of("teacher_head", "student_backbone"), "head_collapse", False),
        (of("teacher", "student"), "teacher_student_divergence", True),
        (of("teacher_head", "student_head"), "teacher_student_divergence", True),
        (of("teacher_head", "student_backbone"), "teacher_student_divergence", False),
        (of("teacher_head", "student_head"), "single_prototype", True),
        (of("teacher_head", "teacher_backbone"), "single_prototype", False),
        (of("teacher_head", "student_head"), "dense_degradation", False),
        (of("one"), "complete_collapse", True),
    ],
    ids=str,
)
def test_states_to_stop_on_need_features_that_show_them(
    features: dict[str, str], state: str, seen: bool
) -> None:
    if seen:
        assert RepresentationMonitor(1, features, stop_on=[state]).stop_on == (state,)
    else:
        with pytest.raises(ValueError, match="to hold states that can be seen with these settings"):
            RepresentationMonitor(1, features, stop_on=[state])


def test_dense_degradation_is_seen_where_patches_are_watched() -> None:
    require_visible(["dense_degradation"], of(""), "standard", patches=True)
    with pytest.raises(ValueError, match="needs dense_inter and spread"):
        require_visible(["dense_degradation"], of(""), "gram", patches=True)
