"""What was asked for is in the Trainer, once, whatever the application gives it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from hydra import compose
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from pytorch_lightning.callbacks import ProgressBar

from gramscope import (
    GramMatrixCallback,
    GramProbeCallback,
    MonitorProgressBar,
    instantiate_callbacks,
)
from tests.composing import BASE, application
from tests.support import TinySSL, trainer

Compose = Callable[..., Any]


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Compose]:
    """Composes as for a Hydra job that is under way then."""
    (tmp_path / "app.yaml").write_text("trainer: {callbacks: [{_target_: some.Timer}]}\nx: null")

    def begin(*overrides: str) -> Any:
        cfg = compose("app", list(overrides), return_hydra_config=True)
        HydraConfig.instance().set_config(cfg)
        return cfg

    with application(tmp_path):
        yield begin
    HydraConfig.instance().cfg = None


GRAM = ("teacher_cls_token", 128)


def watched(of: pl.Trainer) -> list[tuple[str, int]]:
    return [
        (c.feature_key, c.max_samples) for c in of.callbacks if isinstance(c, GramMatrixCallback)
    ]


@pytest.mark.parametrize(
    "override",
    [
        "+callbacks=gram_teacher",
        "+callbacks@_global_=gram_teacher",
        "+callbacks@model=gram_teacher",
        "+callbacks@trainer.more=gram_teacher",
        "+callbacks@some.where=gram",
        "+gramscope=teacher",
        "+gramscope@trainer.watch=teacher",
        "+gramscope@watch=teacher",
    ],
)
def test_a_preset_that_nobody_reads_is_attached_once(
    job: Compose, override: str, tmp_path: Path
) -> None:
    job(override)

    assert watched(trainer(tmp_path, [])) == [("teacher_cls_token", 128)]


def test_values_are_those_of_the_command_line(job: Compose, tmp_path: Path) -> None:
    job(
        "+callbacks=[gram,gram_student]",
        "gram/samples=small",
        "callbacks.gram_student.max_samples=9",
    )

    assert watched(trainer(tmp_path, [])) == [("teacher_cls_token", 32), ("student_cls_token", 9)]


OFF = ["callbacks.gram_teacher=null", "~callbacks.gram_teacher", "++callbacks={gram_teacher:null}"]


@pytest.mark.parametrize("off", OFF)
def test_what_is_switched_off_is_not_attached(
    job: Compose, off: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job("+callbacks=gram_teacher", off)

    assert watched(trainer(tmp_path, [])) == []
    assert "gram_teacher" not in caplog.text


def test_nothing_is_attached_where_nothing_was_composed(job: Compose, tmp_path: Path) -> None:
    job("+hand={_target_: gramscope.callbacks.GramMatrixCallback}")

    assert watched(trainer(tmp_path, [])) == []


def test_an_application_that_instantiates_them_gets_what_it_wrote(
    job: Compose, tmp_path: Path
) -> None:
    cfg = job("+callbacks=[gram_teacher,gram_student]", "callbacks.gram_teacher.max_samples=7")
    own = instantiate_callbacks(cfg.callbacks)
    of = trainer(tmp_path, [*own])

    assert [c for c in of.callbacks if isinstance(c, GramMatrixCallback)] == own


def test_a_trainer_that_hydra_makes_gets_no_second(job: Compose, tmp_path: Path) -> None:
    cfg = job("+callbacks=[gram_teacher,monitor_progress_bar]")
    own = instantiate_callbacks(cfg.callbacks)
    # `instantiate` gives the trainer its callbacks in a list of OmegaConf's.
    callbacks = OmegaConf.create(own, flags={"allow_objects": True})

    of = trainer(tmp_path, callbacks, enable_progress_bar=True)

    assert [c for c in of.callbacks if getattr(c, "config", None)] == own


def test_what_an_application_leaves_out_stays_out(job: Compose, tmp_path: Path) -> None:
    cfg = job("+callbacks=[gram_teacher,gram_student]")
    (one, _) = instantiate_callbacks(cfg.callbacks)

    assert watched(trainer(tmp_path, [one])) == [GRAM]
    assert watched(trainer(tmp_path, [])) == []  # its second trainer


def test_two_presets_of_one_feature_are_both_attached(job: Compose, tmp_path: Path) -> None:
    job(
        "+callbacks=[gram,gram_teacher]",
        "callbacks.gram.capture=outputs",
        "callbacks.gram.log_key=x",
    )

    assert watched(trainer(tmp_path, [])) == [GRAM, GRAM]


def test_fixed_samples_are_watched_beside_the_batches_of_the_same_feature(
    job: Compose, tmp_path: Path
) -> None:
    job(
        "+callbacks=[gram_teacher,gram_probe]", "callbacks.gram_probe.feature_key=teacher_cls_token"
    )
    of = trainer(tmp_path, [], max_steps=1)

    of.fit(TinySSL())

    (probe,) = [c for c in of.callbacks if isinstance(c, GramProbeCallback)]
    assert probe.outcomes == {"logged": 2}
    assert watched(of) == [GRAM]


def test_a_preset_that_the_config_takes_away_again_is_told(
    job: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = "defaults: [/callbacks/gram_teacher, _self_]\ncallbacks: null"
    (tmp_path / "later.yaml").write_text(text)

    HydraConfig.instance().set_config(compose("later", return_hydra_config=True))
    trainer(tmp_path, [])

    assert "callbacks.gram_teacher was composed, and the `callbacks: null`" in caplog.text


def test_the_same_preset_at_two_places_is_attached_once(job: Compose, tmp_path: Path) -> None:
    job("+callbacks=gram_teacher", "+gramscope@watch=teacher")

    assert watched(trainer(tmp_path, [])) == [GRAM]


def test_a_config_that_was_saved_is_run_again_with_what_it_asked_for(
    job: Compose, tmp_path: Path
) -> None:
    saved = OmegaConf.to_yaml(job("+callbacks=gram_teacher", "+gramscope=student").callbacks)
    (tmp_path / "again.yaml").write_text(f"callbacks:\n{textwrap.indent(saved, '  ')}")

    HydraConfig.instance().set_config(compose("again", return_hydra_config=True))

    assert watched(trainer(tmp_path, [])) == [GRAM, ("student_cls_token", 128)]


def test_checkpoints_hold_nothing_of_a_callback_that_was_attached(
    job: Compose, tmp_path: Path
) -> None:
    job("+callbacks=gram_teacher")
    of = trainer(tmp_path, [], max_steps=1)
    of.fit(TinySSL())
    of.save_checkpoint(tmp_path / "it.ckpt")

    saved = torch.load(tmp_path / "it.ckpt", weights_only=False)

    assert "Gram" not in str(saved["callbacks"])


def test_the_progress_bar_takes_the_place_of_lightning_s_own(job: Compose, tmp_path: Path) -> None:
    job("+callbacks=[gram_teacher,monitor_progress_bar]")

    of = trainer(tmp_path, [], enable_progress_bar=True)

    (bar,) = (c for c in of.callbacks if isinstance(c, ProgressBar))
    assert isinstance(bar, MonitorProgressBar)
    assert watched(of) == [GRAM]


def test_a_trainer_without_progress_bar_gets_none(
    job: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job("+callbacks=[monitor_progress_bar,gram_teacher]")

    of = trainer(tmp_path, [])

    assert not any(isinstance(c, ProgressBar) for c in of.callbacks)
    assert watched(of) == [GRAM]
    assert (
        "progress bar takes the place of Lightning's own, and this Trainer has none" in caplog.text
    )


def test_what_a_program_adds_to_its_trainer_later_takes_the_place(
    job: Compose, tmp_path: Path
) -> None:
    cfg = job("+callbacks=gram_teacher", "callbacks.gram_teacher.log_every_n_steps=1")
    of = trainer(tmp_path, [], max_steps=2)
    own = instantiate_callbacks(cfg.callbacks)
    of.callbacks += own

    of.fit(TinySSL())

    assert [c for c in of.callbacks if isinstance(c, GramMatrixCallback)] == own
    assert own[0].outcomes == {"logged": 2}


def test_a_preset_that_cannot_be_made_is_told_and_training_goes_on(
    job: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "file"
    file.touch()
    job("+callbacks=gram_teacher", f"callbacks.gram_teacher.save_dir={file}/x")

    assert watched(trainer(tmp_path, [])) == []
    assert "`callbacks.gram_teacher` can't be set up" in caplog.text


def test_one_that_cannot_be_made_keeps_no_other_away(job: Compose, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    job(
        "+callbacks=[gram,gram_teacher,gram_student]",
        f"callbacks.gram_teacher.save_dir={tmp_path}/file/x",
        "+callbacks.gram._partial_=true",
    )

    assert watched(trainer(tmp_path, [])) == [("student_cls_token", 128)]


def test_somebody_else_s_node_of_that_name_is_none_of_ours(
    job: Compose, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job("+callbacks.gram={weight: 3}", "+callbacks.gram_student={module: x}", "x=${no_such:1}")

    trainer(tmp_path, [])

    assert "gramscope" not in caplog.text


@pytest.mark.parametrize(
    "override", ["+gram/samples=small", "++callbacks.gram_teacher.max_samples=64"]
)
def test_values_without_a_preset_are_told(
    job: Compose, override: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job(override)

    trainer(tmp_path, [])
    trainer(tmp_path, [])

    assert caplog.text.count("has values, and no preset to go with them: {'max_samples'") == 1


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("+callback=gram_teacher", "+callbacks=gram_teacher"),
        ("+callbak=[gram,gram_student]", "+callbacks=[gram,gram_student]"),
    ],
)
def test_a_misspelt_group_is_told(
    job: Compose, written: str, meant: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job(written)

    trainer(tmp_path, [])
    trainer(tmp_path, [])

    assert caplog.text.count(f"Did you mean `{meant}`?") == 1


@pytest.mark.parametrize("own", ["+callback=gram_schmidt", "+method=gram", "+callback=[]"])
def test_a_key_of_somebody_s_own_is_none_of_ours(
    job: Compose, own: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job(own)

    trainer(tmp_path, [])

    assert "gramscope" not in caplog.text


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("gram_teacher", [("teacher_cls_token", 128)]),
        (
            "gram_teacher,gram_student max_samples=64",
            [("teacher_cls_token", 64), ("student_cls_token", 64)],
        ),
        (
            "gram_teacher gram_global max_samples=64 gram_global.max_samples=9",
            [("teacher_cls_token", 64), ("student_glob_cls_token", 9)],
        ),
        ("gram monitor_progress_bar.refresh_rate=0,monitor_progress_bar log_key='a, b'", [GRAM]),
        ("gram,gram gram_teacher", [GRAM]),
        ("off", []),
        (" ", []),
    ],
)
def test_one_variable_watches_a_program_that_knows_nothing_of_us(
    wanted: str,
    expected: list[tuple[str, int]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GRAMSCOPE", wanted)
    of = trainer(tmp_path, [], max_steps=1, enable_progress_bar=True)

    of.fit(TinySSL())

    assert watched(of) == expected


def test_a_run_that_has_the_same_callback_gets_no_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAMSCOPE", "gram_teacher,gram_student,monitor_progress_bar")

    of = trainer(tmp_path, [GramMatrixCallback(max_samples=3)], enable_progress_bar=True)

    assert watched(of) == [("teacher_cls_token", 3), ("student_cls_token", 128)]
    assert [type(c) for c in of.callbacks if isinstance(c, ProgressBar)] == [MonitorProgressBar]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("gram_techer", "there is no preset 'gram_techer'; there are gram, gram_teacher"),
        ("gram_teacher max_sample=3", "no parameter 'max_sample'; there are log_every_n_steps"),
        ("gram_teacher max_samples=0", "`max_samples` to be at least 1, but got 0"),
        ("gram_teacher gram_student.max_samples=3", "a preset that is not named"),
        ("max_samples=3", "name a preset first, as in 'gram max_samples=3'"),
        ("gram_teacher max_samples", "a parameter takes a value with '='"),
        ("gram_teacher _target_=os.system", "no parameter '_target_'"),
        ("gram_teacher log_key={a", "while parsing a flow mapping"),
        ("gram_teacher 'log_key=a", "No closing quotation"),
    ],
)
def test_a_wrong_variable_is_told_and_training_goes_on(
    wanted: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("GRAMSCOPE", wanted)
    with caplog.at_level(logging.WARNING):
        of = trainer(tmp_path, [], max_steps=1)

    of.fit(TinySSL())

    assert (watched(of), of.global_step) == ([], 1)
    assert f"GRAMSCOPE={wanted!r}: " in caplog.text
    assert said in caplog.text


def test_unset_it_imports_nothing(tmp_path: Path) -> None:
    program = (
        "import sys; import pytorch_lightning as pl, hydra.core.hydra_config\n"
        "before = {*sys.modules}\n"
        "pl.Trainer(accelerator='cpu', logger=False)\n"
        "print(sorted(m for m in {*sys.modules} - before if 'gramscope' in m))"
    )
    env = {name: value for name, value in os.environ.items() if name != "GRAMSCOPE"}

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=env, capture_output=True, text=True
    )

    assert done.stdout == (
        "['gramscope', 'gramscope.attach', 'gramscope.attach.factories', 'gramscope.attach.job']\n"
    ), done.stderr


NO_TRAINER = """
import hydra
@hydra.main(config_path=None{base})
def main(cfg):
    print("ran")
main()
"""


@pytest.mark.parametrize(
    ("overrides", "reminded"),
    [
        (["+callbacks=gram_teacher"], True),
        (["+callbacks=gram_teacher", "--cfg", "job"], False),
        (["+callbacks=gram_teacher", "--info", "config"], False),
        (["-m", "+callbacks=gram_teacher", "+x=1,2", "hydra/launcher=joblib"], True),
        (["-m", "+callbacks=gram_teacher", "+x=1,2"], True),
        (["+callbacks=gram_teacher", "no_such=1"], False),
        ([], False),
    ],
)
def test_a_run_without_trainer_says_so_at_its_end(
    overrides: list[str], reminded: bool, tmp_path: Path
) -> None:
    base = "".join(f", {name}={value!r}" for name, value in BASE.items())
    (tmp_path / "app.py").write_text(NO_TRAINER.format(base=base))

    done = subprocess.run(
        [sys.executable, "app.py", *overrides], cwd=tmp_path, capture_output=True, text=True
    )

    assert done.returncode == ("no_such=1" in overrides), done.stderr
    said = "callbacks/gram_teacher: composed, but no Lightning Trainer or Fabric"
    assert (said in done.stdout + done.stderr) == reminded
