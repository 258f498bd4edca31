"""A loop of Lightning Fabric that knows nothing of us, watched by one variable."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric

from tests.support import events

LOOP = """
import torch
from {fabric} import Fabric

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(8, 8)
    def forward(self, x):
        return {{"teacher_cls_token": x, "loss": self.layer(x).square().mean()}}

fabric = Fabric(accelerator="cpu", devices=1)
fabric.launch()
net = Net()
net, optimizer = fabric.setup(net, torch.optim.SGD(net.parameters(), lr=0.1))
for step in range(1, 7):
    optimizer.zero_grad()
    fabric.backward(net(torch.full((4, 8), float(step)) + torch.eye(4, 8))["loss"])
    optimizer.step()
"""


def run(fabric: str, directory: Path, wanted: str) -> str:
    (directory / "loop.py").write_text(LOOP.format(fabric=fabric))
    done = subprocess.run(
        [sys.executable, "loop.py"],
        cwd=directory,
        env={**os.environ, "GRAMSCOPE": wanted},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_a_fabric_loop_is_watched(tmp_path: Path) -> None:
    said = run("lightning.fabric", tmp_path, "gram_teacher log_every_n_steps=2")

    found = events(tmp_path / "gram")
    assert [(e["step"], e["n"], e["status"]) for e in found] == [
        (2, 4, "logged"),
        (4, 4, "logged"),
        (6, 4, "logged"),
    ]
    assert "GRAMSCOPE=gram_teacher asks for feature_key='teacher_cls_token'" in said


FORKED = """
import torch
from lightning_fabric import Fabric
{net}
def train(fabric):
    net = Net()
    net, optimizer = fabric.setup(net, torch.optim.SGD(net.parameters(), lr=0.1))
    for step in range(2):
        optimizer.zero_grad()
        fabric.backward(net(torch.randn(4, 8))["loss"])
        optimizer.step()

Fabric(accelerator="cpu", devices=2, strategy="ddp_fork").launch(train)
"""


def test_processes_that_a_launcher_forks_end_their_events_too(tmp_path: Path) -> None:
    net = LOOP.partition("class")[2].partition("fabric =")[0].replace("{{", "{").replace("}}", "}")
    (tmp_path / "loop.py").write_text(FORKED.format(net=f"class{net}"))
    env = {**os.environ, "GRAMSCOPE": "gram_teacher log_every_n_steps=1", "OMP_NUM_THREADS": "1"}

    subprocess.run([sys.executable, "loop.py"], cwd=tmp_path, env=env, check=True)

    found = [(e["step"], e["n"], e["status"]) for e in events(tmp_path / "gram")]
    assert found == [(1, 8, "logged"), (2, 8, "logged")]


class Net(torch.nn.Module):
    """Says what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"teacher_cls_token": x, "loss": self.layer(x).square().mean()}


class Loop:
    """A Fabric's, with what a person writes around it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("GRAMSCOPE", f"gram_teacher log_every_n_steps=2 save_dir={tmp_path}")
        self.fabric = Fabric(accelerator="cpu", devices=1)

    def set_up(self) -> None:
        net = Net()
        sgd = torch.optim.SGD(net.parameters(), lr=0.1)
        self.net, self.optimizer = self.fabric.setup(net, sgd)

    def forward(self, rows: int) -> Any:
        return self.net(torch.randn(rows, 8))["loss"]

    def step(self, rows: int) -> None:
        self.optimizer.zero_grad()
        self.fabric.backward(self.forward(rows))
        self.optimizer.step()

    def validate(self, rows: int) -> None:
        self.net.eval()
        with torch.no_grad():
            self.forward(rows)
        self.net.train()

    def close(self) -> None:
        for callback in self.fabric._callbacks:
            getattr(callback, "close", lambda: None)()


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Loop:
    return Loop(monkeypatch, tmp_path)


def test_fixed_samples_need_a_trainer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GRAMSCOPE", "gram_probe,gram_patch")

    fabric = Fabric(accelerator="cpu", devices=1)

    assert fabric._callbacks == []
    assert "GRAMSCOPE=gram_probe needs a Trainer" in caplog.text


def test_validation_is_no_training(loop: Loop, tmp_path: Path) -> None:
    loop.set_up()
    for _ in range(4):
        loop.step(5)
        loop.validate(3)
    loop.close()

    assert [(e["step"], e["n"]) for e in events(tmp_path)] == [(2, 5), (4, 5)]


def test_a_teacher_that_never_trains_is_watched_in_its_last_pass(
    loop: Loop, tmp_path: Path
) -> None:
    loop.set_up()
    teacher = loop.fabric.setup(Net().eval())
    for _ in range(2):
        loop.validate(3)
        loop.optimizer.zero_grad()
        loop.net.module.forward(torch.randn(2, 8))
        teacher(torch.randn(6, 8))
        loop.fabric.backward(loop.net.module.layer(torch.randn(2, 8)).sum(), model=loop.net)
        loop.optimizer.step()
    loop.close()

    assert [(e["step"], e["n"]) for e in events(tmp_path)] == [(2, 6)]


def test_a_missing_feature_is_a_skip_and_the_loop_goes_on(loop: Loop, tmp_path: Path) -> None:
    loop.set_up()
    for _ in range(4):
        loop.optimizer.zero_grad()
        loop.fabric.backward(loop.net.module.layer(torch.randn(2, 8)).sum(), model=loop.net)
        loop.optimizer.step()
    loop.close()

    found = [(e["step"], e["reason"]) for e in events(tmp_path)]
    assert found == [(2, "missing_key"), (4, "missing_key")]


def test_a_module_that_fabric_tells_nobody_of_is_said(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    loop.net = loop.fabric.setup_module(Net())
    loop.optimizer = loop.fabric.setup_optimizers(torch.optim.SGD(loop.net.parameters(), lr=0.1))

    loop.step(3)
    loop.step(3)

    assert caplog.text.count("Fabric has told of no module") == 1


def test_the_next_fold_s_model_and_optimizer_take_over(loop: Loop, tmp_path: Path) -> None:
    for fold in range(2):
        loop.set_up()
        for _ in range(2):
            loop.step(5 + fold)
    loop.close()

    assert [(e["step"], e["n"]) for e in events(tmp_path)] == [(2, 5), (4, 6)]


def test_the_first_step_is_looked_at_and_a_loop_that_was_too_short_is_told(
    loop: Loop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loop.set_up()
    loop.optimizer.zero_grad()
    loop.fabric.backward(loop.net.module.layer(torch.randn(2, 8)).sum(), model=loop.net)
    loop.optimizer.step()
    loop.close()

    looked_at, too_short = caplog.messages[-2:]
    assert "gram_matrix at step 1: no output has feature_key='teacher_cls_token'" in looked_at
    assert "has ended at step 1, before the first step that is due, 2" in too_short
    assert not (tmp_path / "events.jsonl").exists()
