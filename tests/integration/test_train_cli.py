"""The training job as its users start it: a command in a directory of their own."""

import re
from pathlib import Path

import pytest

from tests.integration.conftest import Run
from tests.support import events

# What is there before a command runs.
GIVEN = {"conf", "scripts", "standin.py", "__pycache__"}


def files(directory: Path, *but: str) -> list[str]:
    """Files below a directory, without those in Hydra's and other named directories."""
    names = sorted(str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file())
    return [name for name in names if not {".hydra", *but} & set(Path(name).parts)]


def test_ctrl_c_ends_cleanly_with_everything_so_far(run: Run) -> None:
    done = run(
        "+callbacks=gram",
        "gram/frequency=often",
        "+model.end_at=12",
        "+model.end_by=SIGINT",
        "hydra.run.dir=run",
    )

    assert done.result.returncode == 130, done.result.stderr
    assert "Traceback" not in done.result.stderr
    assert re.search("interrupted +after 12 optimizer steps", done.result.stdout)
    assert [event["status"] for event in events(done.directory / "run" / "gram")] == ["logged"]
    assert files(done.directory / "run", "gram") == [
        "checkpoints/last.ckpt",
        "checkpoints/step_00000012.ckpt",
        "csv/hparams.yaml",
        "csv/metrics.csv",
        "report.html",
        "train.log",
    ]


def test_a_run_without_faults_warns_of_nothing(run: Run) -> None:
    # Importing may warn, too.
    done = run("+callbacks=[gram_teacher,gram_student]", "data.num_workers=1", warm=False)

    assert done.output
    assert "warn" not in done.result.stderr.lower()


@pytest.mark.distributed
def test_a_sweep_of_jobs_on_two_processes_keeps_them_apart(run: Run) -> None:
    done = run(
        "trainer=ddp_cpu",
        "+callbacks=gram",
        "gram/frequency=often",
        "model.width=4,8",
        "hydra.sweep.dir=a sweep",
        flags=("--multirun",),
    )

    assert done.output.count("finished") == 2
    assert {path.name for path in done.directory.iterdir()} - GIVEN == {"a sweep"}
    for job in ("0", "1"):
        assert files(done.sweep / job, "gram") == [
            "checkpoints/last.ckpt",
            "csv/hparams.yaml",
            "csv/metrics.csv",
            "report.html",
            "train.log",
            "train_ddp_process_1.log",
        ]
        logged = events(done.sweep / job / "gram")
        assert [(e["step"], e["world_size"], e["n"]) for e in logged] == [(10, 2, 16), (20, 2, 16)]


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
def test_bad_input_is_answered_with_one_message(override: str, said: str, run: Run) -> None:
    done = run(override).result

    assert done.returncode == 1
    assert done.stderr.count(said) == 1
    assert "Traceback" not in done.stderr
