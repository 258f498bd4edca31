"""The training job as its users start it: a command in a directory of their own."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Done = subprocess.CompletedProcess[str]


def files(directory: Path, *but: str) -> list[str]:
    """Files below a directory, without those in Hydra's and other named directories."""
    names = sorted(str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file())
    return [name for name in names if not {".hydra", *but} & set(Path(name).parts)]


def events(directory: Path) -> list[dict[str, object]]:
    """What a gram callback wrote."""
    return [json.loads(line) for line in (directory / "events.jsonl").read_text().splitlines()]


def test_ctrl_c_ends_cleanly_with_everything_so_far(
    run: Callable[..., Done], tmp_path: Path
) -> None:
    done = run(
        "+callbacks=gram",
        "gram/frequency=often",
        "+model.end_at=12",
        "+model.end_by=SIGINT",
        "hydra.run.dir=run",
    )

    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert "interrupted  after 12 optimizer steps" in done.stdout
    assert [event["status"] for event in events(tmp_path / "run" / "gram")] == ["logged"]
    assert files(tmp_path / "run", "gram") == [
        "checkpoints/last.ckpt",
        "checkpoints/step_00000012.ckpt",
        "csv/hparams.yaml",
        "csv/metrics.csv",
        "train.log",
    ]


def test_a_run_without_faults_warns_of_nothing(run: Callable[..., Done]) -> None:
    done = run("+callbacks=[gram_teacher,gram_student]", "data.num_workers=1")

    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr.lower()


@pytest.mark.distributed
@pytest.mark.slow
def test_two_processes_write_one_run(run: Callable[..., Done], tmp_path: Path) -> None:
    done = run("trainer=ddp_cpu", "+callbacks=gram", "gram/frequency=often", "hydra.run.dir=run it")

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("finished") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["run it"]
    logged = events(tmp_path / "run it" / "gram")
    assert [(e["step"], e["world_size"], e["n"]) for e in logged] == [(10, 2, 16), (20, 2, 16)]


@pytest.mark.distributed
@pytest.mark.slow
def test_a_sweep_of_jobs_on_two_processes_keeps_them_apart(
    run: Callable[..., Done], tmp_path: Path
) -> None:
    done = run("trainer=ddp_cpu", "model.width=4,8", "hydra.sweep.dir=sweep", flags=("--multirun",))

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("finished") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["sweep"]
    for job in ("0", "1"):
        assert files(tmp_path / "sweep" / job) == [
            "checkpoints/last.ckpt",
            "csv/hparams.yaml",
            "csv/metrics.csv",
            "train.log",
            "train_ddp_process_1.log",
        ]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("+callbacks=gram_techer", "Could not find 'callbacks/gram_techer'"),
        ("model.widht=3", "Key 'widht' is not in struct"),
        ("trainer=tpu", "Could not find 'trainer/tpu'"),
        ("model.width=0", "`model` can't be set up: Expected argument `width`"),
        ("hydra.run.dir=/proc/nowhere", "Can't write to the output directory '/proc/nowhere'"),
    ],
    ids=["preset", "key", "option", "value", "output directory"],
)
def test_bad_input_is_answered_with_one_message(
    override: str, said: str, run: Callable[..., Done]
) -> None:
    done = run(override)

    assert done.returncode == 1
    assert done.stderr.count(said) == 1
    assert "Traceback" not in done.stderr
