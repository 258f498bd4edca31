"""The code of docs/plain-loop.md, and of the README for loops without Lightning, as it stands."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from gramscope.events.earlier import EARLIER
from gramscope.monitor import Engine, Monitor
from gramscope.monitor.warn_once import WarnOnce
from tests.foreign.documents import answers, programs, seen_in
from tests.support import events, wandb_alerts, wandb_history

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "plain-loop.md").read_text()
LOOP, WANDB, TENSORBOARD, SAVE, LOAD = programs(PAGE)
IN_README = "from gramscope.monitor import Monitor"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files go where the test's are."""
    monkeypatch.chdir(tmp_path)


def become(program: str, **names: Any) -> dict[str, Any]:
    """Run a program, and give its names."""
    exec(compile(program, "docs/plain-loop.md", "exec"), names)
    return names


def watch(monitor: Monitor) -> None:
    """Observe what collapses at step 3, with a picture at steps 2 and 4."""
    for step in range(1, 9):
        rows = torch.randn(16, 8) if step < 3 else torch.ones(16, 8)
        monitor.observe(step=step, features=rows, draw=step in (2, 4))
    monitor.close()


def test_the_loop_runs_alone_and_on_two_ranks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    become(LOOP)
    said = capsys.readouterr().out
    (tmp_path / "loop.py").write_text(LOOP)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*torchrun, "loop.py"], capture_output=True, text=True, check=False, timeout=120
    )

    assert done.returncode == 0, done.stderr
    for out in (said, done.stdout):
        assert out.splitlines()[-1].endswith(": {'logged': 6}")
    steps = list(range(10, 70, 10))
    for place, ranks in ((tmp_path / "gram", 2), (tmp_path / "gram" / EARLIER / "1", 1)):
        found = events(place)
        assert [(e["step"], e["world_size"], e["n"]) for e in found] == [
            (step, ranks, 32 * ranks) for step in steps
        ]
        assert sorted(p.stem for p in (place / "gram_matrix").glob("*.png")) == [
            "step_00000030",
            "step_00000060",
        ]


def test_wandb_holds_every_event_at_its_own_step(tmp_path: Path) -> None:
    names = become(WANDB)

    names["run"].log({"train/loss": 1.0}, step=100)  # W&B's own count is ahead
    watch(names["monitor"])
    names["run"].finish()

    rows = [row for row in wandb_history(tmp_path) if "gram_step" in row]
    assert [row["gram_step"] for row in rows] == [*range(1, 9)]
    assert [row["gram_step"] for row in rows if "gram_matrix" in row] == [2, 4]
    assert rows[3]["representation/offdiag_mean"] == pytest.approx(1)
    assert [title for title, _, _ in wandb_alerts(tmp_path)] == ["complete collapse"]


def test_tensorboard_holds_every_event() -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    names = become(TENSORBOARD)

    watch(names["monitor"])
    names["writer"].close()

    stored = EventAccumulator("runs/mine").Reload()
    pictures = stored.Images("gram_matrix")
    assert [(picture.step, picture.width) for picture in pictures] == [(2, 640), (4, 640)]
    numbers = stored.Scalars("representation/offdiag_mean")
    assert [number.step for number in numbers] == [*range(1, 9)]
    assert numbers[3].value == pytest.approx(1)
    assert names["monitor"].outcomes == {"logged": 8}


def test_what_is_saved_is_gone_on_from(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 2)
    first = Monitor("f", save_dir="gram")
    watch(first)
    become(SAVE, torch=torch, model=model, monitor=first)

    second = Monitor("f", save_dir="gram")
    become(LOAD, torch=torch, monitor=second)
    second.observe(step=9, features=torch.eye(3))
    second.close()

    assert [event["step"] for event in events(tmp_path / "gram")] == [*range(1, 10)]
    assert second.outcomes == {"logged": 9}


def test_the_loop_of_the_readme_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (program,) = [p for p in programs((ROOT / "README.md").read_text()) if IN_README in p]

    become(program, loader=torch.randn(200, 8, 4), model=lambda batch: batch)

    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [
        ["100", "logged"],
        ["200", "logged"],
    ]
    assert [event["step"] for event in events(tmp_path / "gram")] == [100, 200]


@pytest.fixture(scope="module")
def watching(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What is there where wrong calls are made."""
    place, engine, rows = tmp_path_factory.mktemp("wrong"), Engine(8), torch.eye(4)
    monitor = Monitor("f", 8, save_dir=place / "gram", engine=engine)
    for step in (1, 20):
        monitor.observe(step=step, features=rows)

    yield {
        "Monitor": Monitor,
        "monitor": monitor,
        "rows": rows,
        "labels": torch.arange(4),
        "engine": engine,
        "place": place,
    }

    monitor.close()


@pytest.mark.parametrize(("code", "answer"), list(answers(PAGE)))
def test_a_wrong_call_is_answered_as_shown(
    code: str,
    answer: str,
    watching: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monitor, engine = watching["monitor"], watching["engine"]
    monkeypatch.chdir(watching["place"])
    engine.warn = WarnOnce()

    if code.startswith("Monitor"):
        with pytest.raises(ValueError) as refused:
            eval(code, watching)
        assert seen_in(str(refused.value), answer)
    else:
        before = monitor.outcomes.total()
        eval(code, watching)
        assert engine.wait_idle(20)
        monitor.finished()
        assert monitor.outcomes.total() > before
        assert seen_in(caplog.text, answer)


def test_the_page_shows_wrong_calls() -> None:
    """A table that is not found would have no fault either."""
    assert len([*answers(PAGE)]) == 10
