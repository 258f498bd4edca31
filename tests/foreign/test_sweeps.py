"""Sweeps in applications of others, with the launchers and sweepers they have installed."""

import pytest
import yaml

from tests.commands import Run


def test_jobs_in_parallel_with_the_joblib_launcher(run: Run) -> None:
    done = run(
        "minimal",
        "python train.py -m +callbacks=gram_teacher,gram_student hydra/launcher=joblib"
        " hydra.launcher.n_jobs=2",
    )

    assert "Joblib.Parallel(n_jobs=2" in done.output
    assert done.logged(f"{done.sweep}/0") == [("teacher_cls_token", 100, 40)]
    assert done.logged(f"{done.sweep}/1") == [("student_cls_token", 100, 80)]


def test_optuna_optimises_what_the_callback_measured(run: Run) -> None:
    done = run("minimal", "python train.py -m experiment=search")

    assert done.output
    last = {job: done.events(f"{done.sweep}/{job}")[-1]["metrics"]["offdiag_mean"] for job in "012"}

    results = yaml.safe_load((done.sweep / "optimization_results.yaml").read_text())
    assert len(set(last.values())) == 3
    assert results["best_value"] == pytest.approx(min(last.values()))
    assert 0.001 <= results["best_params"]["model.lr"] <= 0.1


def test_an_experiment_holds_a_sweep(run: Run) -> None:
    done = run("minimal", "python train.py -m experiment=sweep_features")

    assert done.output
    assert done.logged(f"{done.sweep}/0") == [("teacher_cls_token", 100, 40)]
    assert done.logged(f"{done.sweep}/1") == [("student_cls_token", 100, 80)]


def test_the_swept_key_on_the_command_line_collapses_the_sweep(run: Run) -> None:
    done = run(
        "minimal",
        "python train.py -m experiment=sweep_features"
        " callbacks.gram.feature_key=teacher_cls_token_backbone",
    )

    assert done.output
    assert done.logged(done.sweep) == [("teacher_cls_token_backbone", 100, 40)]


def test_a_sweep_over_sub_groups_and_values(run: Run) -> None:
    done = run(
        "packaged",
        "python show.py -m +callbacks=gram gram/feature='glob(*)' gram/samples=small,large"
        " callbacks.gram.log_every_n_steps=5,6",
    )

    assert done.output
    composed = [file.read_text() for file in done.sweep.glob("*/.hydra/config.yaml")]
    grams = [yaml.safe_load(text)["callbacks"]["gram"] for text in composed]
    keys = ("feature_key", "max_samples", "log_every_n_steps")
    assert sorted(tuple(gram[key] for key in keys) for gram in grams) == [
        (f"{feature}{form}", samples, steps)
        for feature in ("student_cls_token", "student_glob_cls_token", "teacher_cls_token")
        for form in ("", "_backbone")
        for samples in (32, 512)
        for steps in (5, 6)
    ]
