"""What a job of a sweep knows about itself."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.composing import current

PATHS = [Path(__file__).parents[3], *filter(None, [os.environ.get("PYTHONPATH")])]

# Imports no torch: what is asked here needs none.
APPLICATION = """
import json
import hydra
from gramscope.sweep.job import sweep_job

@hydra.main(version_base="1.3", config_path="conf", config_name="app")
def main(cfg):
    job = sweep_job()
    about = job and [job.number, job.group, job.values, job.labels]
    with open(__file__.replace("app.py", "jobs.jsonl"), "a") as jobs:
        jobs.write(json.dumps(about) + "\\n")
    return 0.0

main()
"""


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """An application with an experiment that sweeps."""
    conf = tmp_path / "conf"
    (conf / "experiment").mkdir(parents=True)
    (tmp_path / "app.py").write_text(current(APPLICATION))
    (conf / "app.yaml").write_text(
        "defaults: [_self_, {experiment: null}]\na: {lr: 1, size: 2}\nb: 3\n"
    )
    (conf / "experiment" / "grid.yaml").write_text(
        "# @package _global_\nhydra: {mode: MULTIRUN, sweeper: {params: {a.lr: '1,2'}}}\n"
    )
    return tmp_path


def jobs(application: Path, *arguments: str) -> list[Any]:
    """What each job said of itself."""
    subprocess.run(
        [sys.executable, "app.py", *arguments],
        cwd=application,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, PATHS))},
        check=True,
        capture_output=True,
        timeout=60,
    )
    return [json.loads(line) for line in (application / "jobs.jsonl").read_text().splitlines()]


def test_a_single_run_is_no_job_of_a_sweep(application: Path) -> None:
    assert jobs(application, "a.lr=2") == [None]


def test_only_what_is_swept_counts(application: Path) -> None:
    said = jobs(application, "-m", "a.lr=1,2", "b=7", "hydra.sweep.dir=multirun/day/time")

    assert said == [
        [0, "day_time", {"a.lr": "1"}, ["lr=1"]],
        [1, "day_time", {"a.lr": "2"}, ["lr=2"]],
    ]


def test_options_of_a_group_that_are_swept(application: Path) -> None:
    said = jobs(
        application,
        "-m",
        "+callbacks=gram",
        "gram/samples=small,large",
        "hydra.sweep.dir=s",
        "~b=3",
    )

    assert said == [
        [0, "s", {"gram/samples": "small"}, ["gram/samples=small"]],
        [1, "s", {"gram/samples": "large"}, ["gram/samples=large"]],
    ]


def test_an_experiment_that_sweeps(application: Path) -> None:
    said = jobs(application, "-m", "experiment=grid", "b=7", "hydra.sweep.dir=s")

    assert [values for _, _, values, _ in said] == [{"a.lr": "1"}, {"a.lr": "2"}]


OPTUNA = ("-m", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=2", "b=choice(4,5)", "a.size=9")


@pytest.mark.slow
def test_what_optuna_sweeps_is_known_from_the_record(application: Path) -> None:
    record = "+hydra.callbacks.record._target_=project.job.sweep_record.SweepRecord"

    said = jobs(application, *OPTUNA, record)

    assert [list(values) for _, _, values, _ in said] == [["b"], ["b"]]


@pytest.mark.slow
def test_without_a_record_nothing_is_said_rather_than_too_much(application: Path) -> None:
    said = jobs(application, *OPTUNA)

    assert [values for _, _, values, _ in said] == [{}, {}]


def test_another_working_directory_changes_nothing(application: Path) -> None:
    said = jobs(application, "-m", "b=4,5", "a.size=9", "hydra.job.chdir=true", "hydra.sweep.dir=s")

    assert [(group, values) for _, group, values, _ in said] == [
        ("s", {"b": "4"}),
        ("s", {"b": "5"}),
    ]


@pytest.mark.parametrize(
    ("directory", "group"),
    [("multirun", "multirun"), ("alice/lr/run1", "alice_lr_run1"), (".", None)],
)
def test_every_sweep_directory_makes_a_group(
    directory: str, group: str | None, application: Path
) -> None:
    (said,) = jobs(application, "-m", "b=4", f"hydra.sweep.dir={directory}")

    assert said[1] == (group or application.name)


def test_names_that_would_be_alike_are_written_out(application: Path) -> None:
    said = jobs(application, "-m", "a.lr=1,2", "+c.lr=3,4", "hydra.sweep.dir=s")

    assert said[0][3] == ["a.lr=1", "c.lr=3"]


@pytest.mark.slow
def test_joblib_processes_know_too(application: Path) -> None:
    said = jobs(application, "-m", "hydra/launcher=joblib", "b=4,5", "a.size=9")

    assert sorted(values["b"] for _, _, values, _ in said) == ["4", "5"]
    assert [list(values) for _, _, values, _ in said] == [["b"], ["b"]]
