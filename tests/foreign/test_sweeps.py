"""Sweeps in applications of others, with the launchers and sweepers they have installed."""

import pytest
import yaml

from tests.commands import Done, Run

pytestmark = pytest.mark.slow


def composed(done: Done) -> list[dict[str, dict[str, object]]]:
    """The callbacks of each job, as its application had them."""
    files = sorted(done.sweep.glob("*/.hydra/config.yaml"), key=lambda f: int(f.parts[-3]))
    return [yaml.safe_load(file.read_text())["callbacks"] for file in files]


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
    done = run("minimal", "python train.py experiment=search")

    assert done.output
    last = {job: done.events(f"{done.sweep}/{job}")[-1]["metrics"]["offdiag_mean"] for job in "012"}

    results = yaml.safe_load((done.sweep / "optimization_results.yaml").read_text())
    assert len(set(last.values())) == 3
    assert results["best_value"] == pytest.approx(min(last.values()))
    assert 0.001 <= results["best_params"]["model.lr"] <= 0.1


def test_an_experiment_holds_a_sweep(run: Run) -> None:
    done = run("minimal", "python train.py experiment=sweep_features")

    assert done.output
    assert done.logged(f"{done.sweep}/0") == [("teacher_cls_token", 100, 40)]
    assert done.logged(f"{done.sweep}/1") == [("student_cls_token", 100, 80)]


def test_the_swept_key_on_the_command_line_collapses_the_sweep(run: Run) -> None:
    done = run(
        "minimal",
        "python train.py experiment=sweep_features"
        " callbacks.gram.feature_key=teacher_cls_token_backbone",
    )

    assert done.output
    assert done.logged(done.sweep) == [("teacher_cls_token_backbone", 100, 40)]


def test_a_sweep_over_presets(run: Run) -> None:
    done = run("packaged", "python show.py -m +callbacks=gram_teacher,gram_student")

    assert done.output
    assert [list(job) for job in composed(done)] == [
        ["timer", "gram_teacher"],
        ["timer", "gram_student"],
    ]


def test_a_sweep_over_a_value(run: Run) -> None:
    done = run("packaged", "python show.py -m +callbacks=gram callbacks.gram.feature_key=a,b")

    assert done.output
    assert [job["gram"]["feature_key"] for job in composed(done)] == ["a", "b"]


def test_a_sweep_over_sub_groups(run: Run) -> None:
    done = run(
        "packaged",
        "python show.py -m +callbacks=gram gram/feature='glob(*)' gram/samples=small,large",
    )

    assert done.output
    jobs = {(job["gram"]["feature_key"], job["gram"]["max_samples"]) for job in composed(done)}
    features = ["teacher_cls_token", "student_cls_token", "student_glob_cls_token"]
    assert jobs == {
        (f"{feature}{form}", samples)
        for feature in features
        for form in ("", "_backbone")
        for samples in (32, 512)
    }
