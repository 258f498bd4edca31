"""Sweeps in applications of others, with the launchers and sweepers they have installed."""

from pathlib import Path

import pytest
import yaml

from tests.foreign.running import Done, after, run, sweeps

pytestmark = pytest.mark.slow


def sweep(done: Done) -> Path:
    """Directory of the run's only sweep."""
    (found,) = sweeps(done.directory)
    return found


def composed(done: Done) -> list[dict[str, dict[str, object]]]:
    """The callbacks of each job, as its application had them."""
    files = sorted(sweep(done).glob("*/.hydra/config.yaml"), key=lambda f: int(f.parts[-3]))
    return [yaml.safe_load(file.read_text())["callbacks"] for file in files]


@after(
    run(
        "minimal",
        "python train.py -m +callbacks=gram_teacher,gram_student hydra/launcher=joblib"
        " hydra.launcher.n_jobs=2",
    )
)
def test_jobs_in_parallel_with_the_joblib_launcher(done: Done) -> None:
    assert "Joblib.Parallel(n_jobs=2" in done.output
    assert done.logged(f"{sweep(done)}/0") == [("teacher_cls_token", 100, 40)]
    assert done.logged(f"{sweep(done)}/1") == [("student_cls_token", 100, 80)]


@after(run("minimal", "python train.py experiment=search"))
def test_optuna_optimises_what_the_callback_measured(done: Done) -> None:
    assert done.output
    last = {
        job: done.events(f"{sweep(done)}/{job}")[-1]["metrics"]["offdiag_mean"] for job in "012"
    }

    results = yaml.safe_load((sweep(done) / "optimization_results.yaml").read_text())
    assert len(set(last.values())) == 3
    assert results["best_value"] == pytest.approx(min(last.values()))
    assert 0.001 <= results["best_params"]["model.lr"] <= 0.1


@after(run("minimal", "python train.py experiment=sweep_features"))
def test_an_experiment_holds_a_sweep(done: Done) -> None:
    assert done.output
    assert done.logged(f"{sweep(done)}/0") == [("teacher_cls_token", 100, 40)]
    assert done.logged(f"{sweep(done)}/1") == [("student_cls_token", 100, 80)]


@after(
    run(
        "minimal",
        "python train.py experiment=sweep_features"
        " callbacks.gram.feature_key=teacher_cls_token_backbone",
    )
)
def test_the_swept_key_on_the_command_line_collapses_the_sweep(done: Done) -> None:
    assert done.output
    assert done.logged(f"{sweep(done)}") == [("teacher_cls_token_backbone", 100, 40)]


@after(run("packaged", "python show.py -m +callbacks=gram_teacher,gram_student"))
def test_a_sweep_over_presets(done: Done) -> None:
    assert done.output
    assert [list(job) for job in composed(done)] == [
        ["timer", "gram_teacher"],
        ["timer", "gram_student"],
    ]


@after(run("packaged", "python show.py -m +callbacks=gram callbacks.gram.feature_key=a,b"))
def test_a_sweep_over_a_value(done: Done) -> None:
    assert done.output
    assert [job["gram"]["feature_key"] for job in composed(done)] == ["a", "b"]


@after(
    run(
        "packaged",
        "python show.py -m +callbacks=gram gram/feature='glob(*)' gram/samples=small,large",
    )
)
def test_a_sweep_over_sub_groups(done: Done) -> None:
    assert done.output
    jobs = {(job["gram"]["feature_key"], job["gram"]["max_samples"]) for job in composed(done)}
    features = ["teacher_cls_token", "student_cls_token", "student_glob_cls_token"]
    assert jobs == {
        (f"{feature}{form}", samples)
        for feature in features
        for form in ("", "_backbone")
        for samples in (32, 512)
    }
