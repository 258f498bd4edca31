"""Experiments and sweeps of the training job, with every launcher that can run on one machine."""

import json
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import OmegaConf

from project.train import CONFIG_DIR
from tests.commands import Commands
from tests.foreign import planning
from tests.integration.conftest import Run
from tests.support import events, wandb_images, wandb_run

FEATURES = ["teacher_cls_token", "student_cls_token", "student_glob_cls_token"]


def statuses(job: Path) -> list[tuple[str, int, str]]:
    """Feature, step and status of each event of a job."""
    return [(e["feature_key"], e["step"], e["status"]) for e in events(job / "gram")]


def test_each_job_of_a_sweep_is_a_wandb_run_of_its_own(run: Run) -> None:
    done = run(
        "experiment=sweep_features",
        "hydra.sweep.dir=multirun/day/time",
        "logger.wandb.tags=[mine]",
        logger="wandb",
        steps=100,
    )

    assert "sweep-report multirun/day/time" in done.output
    assert "has watched anything" not in done.output
    for number, feature in enumerate(FEATURES):
        job = done.sweep / str(number)
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


def test_a_sweep_of_a_weight_trains_what_can_be_told_apart(commands: Commands) -> None:
    planned = planning.plan("scripts/train experiment=sweep_koleo")
    assert planned is not None

    done = commands.run(*planned)

    assert done.output
    jobs = [events(done.sweep / str(number) / "gram") for number in range(2)]
    assert [[(e["step"], e["status"]) for e in job] for job in jobs] == [[(3, "logged")]] * 2
    assert jobs[0][0]["metrics"] != jobs[1][0]["metrics"]


def test_a_grid_of_samples_and_frequency(run: Run) -> None:
    done = run(
        "experiment=sweep_samples",
        "callbacks.gram.max_samples=4,8",  # the stand-in's batches have 8
        "hydra.sweep.dir=sweep",
        flags=("-m",),
        steps=100,
    )

    assert done.output
    jobs = [events(done.sweep / str(number) / "gram") for number in range(4)]
    assert sorted((job[0]["n"], job[0]["step"], len(job)) for job in jobs) == [
        (4, 10, 10),
        (4, 50, 2),
        (8, 10, 10),
        (8, 50, 2),
    ]


def test_optuna_optimises_a_health_metric_and_outlives_a_job_that_diverges(run: Run) -> None:
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

    assert "has no value in this run" in done.output
    for number in range(3):
        (tag,) = wandb_run(done.sweep / str(number))["tags"]
        assert tag in ("lr=1e+38", "lr=0.1")
    jobs = [events(done.sweep / str(number) / "gram")[-1] for number in range(3)]
    assert {job["reason"] for job in jobs} == {None, "nonfinite"}
    found = OmegaConf.load(done.sweep / "optimization_results.yaml")
    means = [job["metrics"]["offdiag_mean"] for job in jobs if job["status"] == "logged"]
    assert found.best_value == pytest.approx(min(means))
    assert found.best_params == {"+model.lr": 0.1}


@pytest.mark.parametrize("launch", ["joblib hydra.launcher.n_jobs=2", "slurm_local", "ray"])
def test_jobs_side_by_side_stay_apart(launch: str, commands: Commands) -> None:
    planned = planning.plan(f"scripts/train experiment=sweep_features launch={launch}")
    assert planned is not None

    done = commands.run(*planned)

    assert done.output
    for number, feature in enumerate(FEATURES[:2]):
        job = done.sweep / str(number)
        assert statuses(job) == [(feature, 3, "logged")]
        if launch.startswith("joblib"):
            assert wandb_run(job)["tags"] == [f"feature_key={feature}"]
            assert wandb_run(job)["group"] == "_".join(done.sweep.parts[-2:])


def test_a_search_without_an_objective_ends_before_it_trains(run: Run) -> None:
    result = run(
        "experiment=optuna",
        "gram/feature=teacher",
        "hydra.sweeper.params=null",
        "model.width=choice(8,9)",
        "objective=null",
        flags=("-m",),
    ).result

    assert result.returncode == 1
    assert "`objective` is null: name a metric" in result.stderr
    assert "Traceback" not in result.stderr
    assert "finished" not in result.stdout
    assert "#1 :" not in result.stdout


def test_two_sweeps_do_not_share_a_directory(commands: Commands) -> None:
    # The lock is held as a running sweep does.
    locked = "mkdir sweep && flock sweep/.sweep.lock"

    done = commands.run(None, f"{locked} scripts/train -m model=tiny,small hydra.sweep.dir=sweep")

    assert done.result.returncode == 1
    assert "Another sweep is running in 'sweep'" in done.result.stderr
    assert [path.name for path in (done.directory / "sweep").iterdir()] == [".sweep.lock"]


@pytest.mark.parametrize("launch", ["joblib", "slurm", "slurm_local", "ray"])
@pytest.mark.parametrize(
    "experiment",
    ["gram_all", "optuna", "plain_list", "sweep_features", "sweep_koleo", "sweep_samples"],
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
    launcher = composed_launcher(f"launch={launch}")
    made = instantiate(launcher)

    assert type(made).__name__ == launcher["_target_"].rpartition(".")[2]


def composed_launcher(*overrides: str) -> Any:
    """What `hydra.launcher` composes to, resolved."""
    with initialize_config_dir(version_base="1.3", config_dir=str(CONFIG_DIR)):
        config = compose("train", overrides=[*overrides], return_hydra_config=True)
    config.hydra.runtime.output_dir = "out"
    HydraConfig.instance().set_config(config)
    try:
        return json.loads(json.dumps(OmegaConf.to_container(config.hydra.launcher, resolve=True)))
    finally:
        HydraConfig.instance().cfg = None
