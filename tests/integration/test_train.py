"""The training job in this process, with a stand-in for data and model."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException
from omegaconf import DictConfig

from gramscope.config.instantiate import ConfigError
from project.job.run import train
from project.train import CONFIG_DIR
from tests.support import events

STANDIN = Path(__file__).parent / "standin"
# How many loader processes are worth it is up to the machine, so it depends on it whether this
# comes; the stand-in's loader needs none.
pytestmark = pytest.mark.filterwarnings(
    "ignore:The 'train_dataloader' does not have many workers",
    # wandb 0.31 with the tested pydantic, protobuf and click, at import.
    "ignore::DeprecationWarning:wandb.*",
)

Job = Callable[..., float | None]
# The stand-in has nothing to probe.
QUIET = (
    "callbacks.knn_probe=null",
    "callbacks.collapse_monitor=null",  # the stand-in has no such features
    "callbacks.monitor_progress_bar=null",
    "+trainer.enable_progress_bar=false",
)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., DictConfig]:
    """Compose the job's own config with the stand-ins, in a directory of the test's own."""
    monkeypatch.syspath_prepend(STANDIN)
    monkeypatch.chdir(tmp_path)

    def composed(*overrides: str, quiet: Sequence[str] = QUIET) -> DictConfig:
        with initialize_config_dir(version_base="1.3", config_dir=str(CONFIG_DIR)):
            return compose(
                "train",
                overrides=[
                    f"hydra.searchpath=[file://{STANDIN}/conf]",
                    "data=standin",
                    "model=standin",
                    *quiet,
                    "trainer.max_steps=20",
                    f"output_dir={tmp_path}",
                    *overrides,
                ],
            )

    return composed


@pytest.fixture
def job(config: Callable[..., DictConfig]) -> Job:
    """Run the job with overrides."""
    return lambda *overrides: train(config(*overrides))


def test_a_run_keeps_a_checkpoint_and_says_where_things_are(
    job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job("logger=csv") is None

    said = capsys.readouterr().out.splitlines()
    shown = dict(line.split(maxsplit=1) for line in said if line)
    assert shown["finished"] == "after 20 optimizer steps"
    assert 0 < float(shown["train/loss"]) < 1
    assert Path(shown["metrics"]).read_text().startswith("epoch,step,train/loss")
    assert Path(shown["checkpoint"].split(" (")[0]).resolve().is_relative_to(tmp_path)


# Each run has a directory of its own, so the one that resumes does not go on with old bests.
@pytest.mark.filterwarnings("ignore:The dirpath has changed")
def test_resuming_goes_on_where_the_checkpoint_stood(job: Job, tmp_path: Path) -> None:
    loss = ("logger=none", "objective=train/loss")
    # Between two epochs: the stand-in's loader does not remember where in one it was.
    job(*loss, "output_dir=first", "trainer.max_steps=16")

    straight = job(*loss, "output_dir=straight", "trainer.max_steps=17")
    resumed = job(
        *loss,
        "output_dir=resumed",
        "trainer.max_steps=17",
        f"ckpt_path={tmp_path}/first/checkpoints/last.ckpt",
    )

    assert resumed == straight


def test_one_seed_one_result(job: Job) -> None:
    runs = [
        job("logger=none", "objective=train/loss", f"seed={seed}", f"output_dir=run{n}")
        for n, seed in enumerate((1, 1, 2))
    ]

    assert runs[0] == runs[1] != runs[2]


def test_gram_all_shows_three_features_side_by_side(job: Job, tmp_path: Path) -> None:
    job("experiment=gram_all", "logger=none", "trainer.max_steps=100")

    features = ["teacher_cls_token", "student_cls_token", "student_glob_cls_token"]
    logged = [
        (e["log_key"], e["feature_key"], e["step"], e["status"]) for e in events(tmp_path / "gram")
    ]
    assert sorted(logged) == sorted((f"gram_matrix/{f}", f, 100, "logged") for f in features)


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        ("representation/rank", "got 'representation/rank'; those of gram callbacks"),
        ("representation/offdiag_std", "takes 20 optimizer steps, and numbers are due every"),
    ],
    ids=["misspelt", "too short"],
)
def test_an_objective_that_cannot_be_had_is_refused_before_training(
    objective: str, said: str, job: Job, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=said):
        job("+callbacks=gram", "logger=none", f"objective={objective}")

    assert not (tmp_path / "checkpoints").exists()


def test_an_objective_that_is_no_metric_is_answered_with_those_there_are(job: Job) -> None:
    with pytest.raises(ConfigError, match=r"got 'val/los'; there are: .*train/loss"):
        job("logger=none", "objective=val/los")


# MLflow 3.17 on SQLAlchemy 2.1.
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
@pytest.mark.parametrize(
    "logger",
    ["wandb", "tensorboard", "csv", pytest.param("mlflow", marks=pytest.mark.slow), "none"],
)
def test_every_logger_keeps_what_it_gets_below_the_output_directory(
    logger: str, job: Job, tmp_path: Path
) -> None:
    kept = {
        "wandb": "wandb/offline-run-*/run-*.wandb",
        "tensorboard": "tensorboard/events.out.tfevents.*",
        "csv": "csv/metrics.csv",
        "mlflow": "mlflow.db",
        "none": "checkpoints",
    }

    job(f"logger={logger}")

    assert len(list(tmp_path.glob(kept[logger]))) == 1
    top = {"checkpoints", "gram", kept[logger].partition("/")[0]}
    assert {path.name for path in tmp_path.iterdir()} <= top


def test_two_loggers_at_once(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    job("logger=[csv,tensorboard]")

    said = capsys.readouterr().out
    assert "metrics.csv" in said
    assert "tensorboard --logdir" in said


class TestWandb:
    """Offline unless somebody says otherwise."""

    @pytest.mark.parametrize(
        ("environment", "override", "expected"),
        [
            ({}, "null", "offline"),
            ({"WANDB_MODE": "online"}, "null", "online"),
            ({"WANDB_MODE": "online"}, "offline", "offline"),
            ({"WANDB_MODE": "disabled"}, "null", "disabled"),
            ({"WANDB_DISABLED": "true"}, "null", "disabled"),
            ({"WANDB_DISABLED": "false"}, "null", "offline"),
            ({}, "online", "online"),
        ],
    )
    def test_mode(
        self,
        environment: dict[str, str],
        override: str,
        expected: str,
        config: Callable[..., DictConfig],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        from gramscope.config.instantiate import build

        monkeypatch.delenv("WANDB_MODE", raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

        cfg = config(f"logger.wandb.mode={override}")
        logger = build(cfg.logger.wandb, "logger.wandb")

        assert logger._wandb_init["mode"] == expected

    def test_the_summary_has_the_line_that_uploads(
        self, job: Job, capsys: pytest.CaptureFixture[str]
    ) -> None:
        job("logger=wandb")

        (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("upload")]
        program, sync, directory = line.split()[1:]
        assert program.endswith("wandb")
        assert sync == "sync"
        assert len(list(Path(directory).glob("run-*.wandb"))) == 1

    def test_disabled_leaves_nothing_and_says_so(
        self, job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        job("logger=wandb", "logger.wandb.mode=disabled")

        assert "not kept: W&B is disabled" in capsys.readouterr().out
        assert not list(tmp_path.rglob("*.wandb"))

    def test_two_jobs_of_one_process_are_two_runs(self, job: Job, tmp_path: Path) -> None:
        for n in range(2):
            job("logger=wandb", f"output_dir={tmp_path}/{n}")

        assert len(list(tmp_path.glob("*/wandb/offline-run-*/run-*.wandb"))) == 2


class TestGram:
    """Gram callbacks in the job."""

    def events(self, directory: Path) -> list[tuple[int, str]]:
        """Step and status of each event on disk."""
        lines = (directory / "events.jsonl").read_text().splitlines()
        return [(event["step"], event["status"]) for event in map(json.loads, lines)]

    def test_presets_keep_their_events_in_gram_dir(
        self, job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        job("logger=csv", "+callbacks=gram", "gram/frequency=often", "gram/samples=small")

        assert self.events(tmp_path / "gram") == [(10, "logged"), (20, "logged")]
        said = capsys.readouterr().out
        assert "monitor" in said
        assert re.search("pictures +gram", said)
        assert re.search(r"report +report\.html \(open it in a browser\)", said)
        assert "data-pictures" in (tmp_path / "report.html").read_text()

    def test_the_page_can_be_left_out_and_may_fail(
        self, job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        few = ["logger=csv", "+callbacks=gram", "gram/frequency=often", "gram/samples=small"]
        job(*few, "report=null", f"output_dir={tmp_path}/without")
        without = capsys.readouterr().out
        (tmp_path / "file").touch()
        job(*few, "report=file/report.html", f"output_dir={tmp_path}/failed")

        assert "report" not in without
        said = capsys.readouterr().out
        assert re.search("report +not written: .*file/report.html cannot be written", said)
        assert re.search("finished +after 20 optimizer steps", said)

    def test_a_save_dir_of_its_own_is_left_alone(self, job: Job, tmp_path: Path) -> None:
        job(
            "logger=csv",
            "+callbacks=gram",
            "gram/frequency=often",
            f"callbacks.gram.save_dir={tmp_path}/mine",
        )

        assert self.events(tmp_path / "mine") == [(10, "logged"), (20, "logged")]
        assert not (tmp_path / "gram").exists()

    def test_gram_dir_null_writes_nothing(self, job: Job, tmp_path: Path) -> None:
        job("logger=tensorboard", "gram_dir=null", "+callbacks=gram", "gram/frequency=often")

        assert not list(tmp_path.rglob("events.jsonl"))

    def test_a_plain_list_of_callbacks(
        self, config: Callable[..., DictConfig], tmp_path: Path
    ) -> None:
        cfg = config(
            "experiment=plain_list", "callbacks.0.log_every_n_steps=10", "logger=csv", quiet=()
        )
        gram = cfg.callbacks[0]
        assert (gram._target_, gram.feature_key, gram.max_samples) == (
            "gramscope.callbacks.GramMatrixCallback",
            "teacher_cls_token",
            128,
        )

        train(cfg)

        assert self.events(tmp_path / "gram") == [(10, "logged"), (20, "logged")]

    def test_a_wrong_frequency_is_said_before_anything_else_is_made(
        self, job: Job, tmp_path: Path
    ) -> None:
        with pytest.raises(ConfigCompositionException, match=r"callbacks\.gram") as caught:
            job("+callbacks=gram", "callbacks.gram.log_every_n_steps=-5")

        said = "`log_every_n_steps` to be at least 1, but got -5"
        assert said in str(caught.value.__cause__)

        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "override", ["trainer.precision=17", "trainer.max_steps=-7", "+trainer.max_step=7"]
)
def test_a_refused_value_of_the_trainer_is_named(override: str, job: Job) -> None:
    with pytest.raises(ConfigError, match="`trainer` can't be set up: "):
        job(override)


def test_a_refused_value_of_the_model_is_named(job: Job) -> None:
    with pytest.raises(ConfigError, match=r"`model` can't be set up: .*`width`.* got 0"):
        job("model.width=0")


def test_a_value_that_only_the_user_can_give_is_asked_for(job: Job) -> None:
    with pytest.raises(ConfigError, match=r"`data` .* has a value for: data\.n=…"):
        job("data.n=???")


def test_a_logger_that_can_not_start_is_named(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError("no such server")

    monkeypatch.setattr("pytorch_lightning.loggers.CSVLogger.log_hyperparams", refuse)

    with pytest.raises(ConfigError, match="CSVLogger can't start: no such server"):
        job("logger=csv")


def test_data_that_can_not_be_read_is_said_plainly(
    job: Job, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import standin

    def setup(self: Any, stage: str) -> None:
        raise FileNotFoundError("no volume in 'somewhere'")

    monkeypatch.setattr(standin.Data, "setup", setup)

    with pytest.raises(ConfigError, match="`data` can't be set up: no volume in 'somewhere'"):
        job("logger=none")


def test_an_error_of_the_model_is_its_own_and_what_was_trained_is_kept(
    job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError, match="the module broke"):
        job("logger=csv", "+model.end_at=12")

    assert "failed" in capsys.readouterr().out
    assert (tmp_path / "checkpoints" / "last.ckpt").exists()


def test_a_learning_rate_monitor_goes_where_there_is_no_logger(job: Job) -> None:
    monitor = "+callbacks.lr._target_=pytorch_lightning.callbacks.LearningRateMonitor"

    assert job("logger=none", monitor) is None
