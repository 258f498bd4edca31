"""The lines that end a run."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytorch_lightning import Callback, Trainer

from gramscope.callbacks import GramMatrixCallback
from project.job.summary import finish, summary


class Finding(Callback):
    """A monitor that has looked at two features."""

    summary = "collapse_monitor: 30 logged, 0 skipped"
    findings = (
        ("teacher head", "effective rank 8.5 of 63, views share 0.74 of the variance"),
        ("teacher backbone", "effective rank 18 of 63, views share 0.81 of the variance"),
    )
    pictures = ("gram",)


class Stopped(GramMatrixCallback):
    """One that has stopped the fit."""

    stopped = "dimensional_collapse"
    findings = (("diagnosis", "dimensional collapse since step 400: look at this."),)


class Silent(Callback):
    """One that has nothing to say."""


def test_findings_follow_the_summary_of_their_callback(
    make_trainer: Callable[..., Trainer], capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = make_trainer(callbacks=[Silent(), Finding()])

    lines = list(summary(trainer, "finished"))
    finish(trainer, "finished")

    assert lines == [
        ("finished", "after 0 optimizer steps"),
        ("monitor", Finding.summary),
        *Finding.findings,
        ("pictures", "gram"),
    ]
    printed = capsys.readouterr().out
    assert "\nteacher head      effective rank 8.5 of 63, views share 0.74" in printed


@pytest.mark.parametrize("outcome", ["finished", "interrupted"])
def test_a_run_that_its_diagnosis_ended_says_so(
    make_trainer: Callable[..., Trainer], outcome: str
) -> None:
    trainer = make_trainer(callbacks=[Stopped()])

    first, *others = summary(trainer, outcome)

    how = ("stopped", "after 0 optimizer steps: dimensional_collapse")
    assert first == (how if outcome == "finished" else (outcome, "after 0 optimizer steps"))
    assert Stopped.findings[0] in others
