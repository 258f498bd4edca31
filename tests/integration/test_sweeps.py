"""Experiments and sweeps of the training job, with every launcher that can run on one machine."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.support import events, wandb_images, wandb_run

pytestmark = pytest.mark.slow

Run = Callable[..., subprocess.CompletedProcess[str]]
FEATURES = ["teacher_cls_token", "student_cls_token", "student_glob_cls_token"]


def statuses(job: Path) -> list[tuple[str, int, str]]:
    """Feature, step and status of each event of a job."""
    return [(e["feature_key"], e["step"], e["status"]) for e in events(job / "gram")]


def test_each_job_of_a_sweep_is_a_wandb_run_of_its_own(run: Run, tmp_path: Path) -> None:
    done = run(
        "experiment=sweep_features",
        "hydra.sweep.dir=multirun/day/time",
        "logger.wandb.tags=[mine]",
        logger="wandb",
        steps=100,
    )

    assert done.returncode == 0, done.stderr
    sweep = tmp_path / "multirun" / "day" / "time"
    for number, feature in enumerate(FEATURES):
        job = sweep / str(number)
        recorded = wandb_run(job)
        assert recorded["name"] == f"{number} feature_key={feature}"
        assert recorded["group"] == "day_time"
        assert recorded["tags"] == ["mine", f"feature_key={feature}"]
        assert recorded["config"]["sweep"]["job"] == number
        assert recorded["config"]["sweep"]["values"] == {"callbacks.gram.feature_key": feature}
        assert recorded["config"]["callbacks"]["gram"]["feature_key"] == feature
        # One key for all, so that W&B overlays them, and nobody else's rows.
        assert sorted(wandb_images(job, "gram_matrix")) == [50, 100]
        assert statuses(job) == [(feature, 50, "logged"), (feature, 100, "logged")]
    assert "sweep-report multirun/day/time" in done.stdout


def test_a_grid_of_samples_and_frequency(run: Run, tmp_path: Path) -> None:
    done = run(
        "experiment=sweep_samples",
        "callbacks.gram.max_samples=4,8",  # the stand-in's batches have 8
        "hydra.sweep.dir=sweep",
        flags=("-m",),
        steps=100,
    )

    assert done.returncode == 0, done.stderr
    jobs = [events(tmp_path / "sweep" / str(number) / "gram") for number in range(4)]
    assert sorted((job[0]["n"], job[0]["step"], len(job)) for job in jobs) == [
        (4, 10, 10),
        (4, 50, 2),
        (8, 10, 10),
        (8, 50, 2),
    ]


def test_optuna_optimises_a_health_metric_and_outlives_a_job_that_diverges(
    run: Run, tmp_path: Path
) -> None:
    done = run(
        "experiment=optuna",
        "gram/feature=teacher",
        "hydra.sweeper.params=null",
        "+model.lr=choice(1e38,0.1)",
        "trainer.gradient_clip_val=null",
        "hydra.sweeper.n_trials=3",
        "hydra.sweeper.sampler.seed=6",  # with which both values are tried
        "hydra.sweep.dir=sweep",
        flags=("-m",),
        logger="wandb",
        steps=50,
    )

    assert done.returncode == 0, done.stderr
    sweep = tmp_path / "sweep"
    for number in range(3):
        (tag,) = wandb_run(sweep / str(number))["tags"]
        assert tag in ("lr=1e+38", "lr=0.1")
    jobs = [events(sweep / str(number) / "gram")[-1] for number in range(3)]
    assert {job["reason"] for job in jobs} == {None, "nonfinite"}
    found = OmegaConf.load(sweep / "optimization_results.yaml")
    means = [job["metrics"]["offdiag_mean"] for job in jobs if job["status"] == "logged"]
    assert found.best_value == pytest.approx(min(means))
    assert found.best_params == {"+model.lr": 0.1}
    assert "has no value in this run" in done.stdout


@pytest.mark.parametrize(
    ("launch", "logger"), [("joblib", "wandb"), ("slurm_local", "csv"), ("ray", "csv")]
)
def test_jobs_side_by_side_stay_apart(launch: str, logger: str, run: Run, tmp_path: Path) -> None:
    done = run(
        "experiment=sweep_features",
        f"callbacks.gram.feature_key={','.join(FEATURES[:2])}",
        f"launch={launch}",
        *(["hydra.launcher.n_jobs=2"] if launch == "joblib" else []),
        "hydra.sweep.dir=sweep",
        flags=("-m",),
        logger=logger,
        steps=50,
    )

    assert done.returncode == 0, done.stderr
    for number, feature in enumerate(FEATURES[:2]):
        job = tmp_path / "sweep" / str(number)
        assert statuses(job) == [(feature, 50, "logged")]
        if logger == "wandb":
            assert wandb_run(job)["tags"] == [f"feature_key={feature}"]
            assert wandb_run(job)["group"] == "sweep"


def test_a_search_without_an_objective_ends_before_it_trains(run: Run) -> None:
    done = run(
        "experiment=optuna",
        "gram/feature=teacher",
        "hydra.sweeper.params=null",
        "model.width=choice(8,9)",
        "objective=null",
        flags=("-m",),
    )

    assert done.returncode == 1
    assert "`objective` is null: name a metric" in done.stderr
    assert "Traceback" not in done.stderr
    assert "finished" not in done.stdout
    assert "#1 :" not in done.stdout


def test_several_processes_and_a_launcher_are_refused_with_what_to_leave_out(run: Run) -> None:
    done = run(
        "+callbacks=gram",
        "callbacks.gram.max_samples=4,8",
        "launch=joblib",
        "hydra.launcher.n_jobs=2",
        "trainer=ddp_cpu",
        flags=("-m",),
    )

    assert done.returncode == 1
    assert "can't be started from jobs of JoblibLauncher. Leave out `launch`" in done.stderr


def test_two_sweeps_do_not_share_a_directory(run: Run, tmp_path: Path) -> None:
    import fcntl

    (tmp_path / "sweep").mkdir()
    with (tmp_path / "sweep" / ".sweep.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as a running sweep does

        done = run("model.width=8,9", "hydra.sweep.dir=sweep", flags=("-m",))

    assert done.returncode == 1
    assert "Another sweep is running in 'sweep'" in done.stderr
    assert [path.name for path in (tmp_path / "sweep").iterdir()] == [".sweep.lock"]


@pytest.mark.parametrize("launch", ["joblib", "slurm", "slurm_local", "ray"])
@pytest.mark.parametrize(
    "experiment", ["gram_all", "optuna", "plain_list", "sweep_features", "sweep_samples"]
)
def test_every_experiment_composes_with_every_launcher(experiment: str, launch: str) -> None:
    assert composed_launcher(f"experiment={experiment}", f"launch={launch}")["_target_"]


def test_the_slurm_script_asks_for_what_the_config_says(tmp_path: Path) -> None:
    """As far as one gets without a cluster: the launcher's settings, through submitit itself."""
    from submitit.slurm.slurm import _make_sbatch_string

    launcher = composed_launcher("launch=slurm", "trainer.max_steps=5")

    script = _make_sbatch_string(
        command="true",
        folder=tmp_path,
        job_name=launcher["name"],
        time=launcher["timeout_min"],
        nodes=launcher["nodes"],
        ntasks_per_node=launcher["tasks_per_node"],
        cpus_per_task=launcher["cpus_per_task"],
        gpus_per_node=launcher["gpus_per_node"],
        mem=f"{launcher['mem_gb']}GB",
    )
    for line in ("--time=1440", "--nodes=1", "--ntasks-per-node=1", "--gpus-per-node=1"):
        assert f"#SBATCH {line}" in script


@pytest.mark.parametrize("launch", ["joblib", "slurm", "slurm_local", "ray"])
def test_a_launcher_config_makes_its_launcher(launch: str) -> None:
    from hydra.utils import instantiate

    launcher = composed_launcher(f"launch={launch}")
    made = instantiate(launcher)

    assert type(made).__name__ == launcher["_target_"].rpartition(".")[2]


def composed_launcher(*overrides: str) -> Any:
    """What `hydra.launcher` composes to, resolved."""
    from hydra import compose, initialize_config_dir
    from hydra.core.hydra_config import HydraConfig

    from project.train import CONFIG_DIR

    with initialize_config_dir(version_base="1.3", config_dir=str(CONFIG_DIR)):
        config = compose("train", overrides=[*overrides], return_hydra_config=True)
    config.hydra.runtime.output_dir = "out"
    HydraConfig.instance().set_config(config)
    try:
        return json.loads(json.dumps(OmegaConf.to_container(config.hydra.launcher, resolve=True)))
    finally:
        HydraConfig.instance().cfg = None
