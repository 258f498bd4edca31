"""Both copies of Lightning, `pytorch_lightning` and `lightning.pytorch`, and neither."""

from __future__ import annotations

import copy
import importlib
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gramscope.callbacks import GramMatrixCallback, MonitorProgressBar, RepresentationMonitor
from tests.gramscope.callbacks.either import QUIET, model

ROOT = Path(__file__).parents[3]
COPIES = ("lightning.pytorch", "pytorch_lightning")

OURS = "from gramscope.callbacks import GramMatrixCallback, MonitorProgressBar"
PROGRAM = """
import json, sys
{first}
{second}
from {copy}.callbacks import ProgressBar
from {copy}.cli import LightningCLI
from gramscope.sweep.wandb_run import wandb_logger
from tests.gramscope.callbacks.either import QUIET, model

said, Encoder = {{}}, model(L)

def ours(trainer):
    made = map(type, trainer.callbacks)
    return [cls.__name__ for cls in made if cls.__module__.startswith("gramscope.")]

def cli(*args, **defaults):
    return LightningCLI(Encoder, args=[*args], run=False, trainer_defaults={{**QUIET, **defaults}})

callback = GramMatrixCallback(2, "embedding", save_dir="trainer")
# What is not in a list has to be an instance of this copy's Callback.
trainer = L.Trainer(**QUIET, enable_progress_bar=False, callbacks=callback)
trainer.fit(Encoder())
trainer.save_checkpoint("last.ckpt")
said["trainer"] = callback.outcomes

barred = L.Trainer(**QUIET, callbacks=[MonitorProgressBar()])
said["bars"] = [type(c).__name__ for c in barred.callbacks if isinstance(c, ProgressBar)]

written = cli("--config", "gram.yaml")
written.trainer.fit(written.model)
said["yaml"] = ours(written.trainer), written.trainer.callbacks[0].outcomes
said["short"] = ours(cli("--trainer.callbacks=GramMatrixCallback").trainer)
said["default"] = ours(cli(callbacks=callback).trainer)
try:
    cli("--trainer.callbacks=GramMatrixCallback", "--trainer.callbacks.max_samples=0")
except ValueError as error:
    said["refused"] = str(error)
said["logger"] = type(wandb_logger(mode="disabled")).__module__
said["loaded"] = [copy for copy in {copies} if copy in sys.modules]
json.dump(said, open("said.json", "w"))
"""
YAML = """
trainer:
  callbacks:
    - class_path: gramscope.callbacks.GramMatrixCallback
      init_args:
        log_every_n_steps: 3
        feature_key: embedding
        views: {count: 2, layout: interleaved}
        capture: forward_hook
        metrics: [offdiag_mean, nonfinite_rows]
        panels: [histogram]
        stop_on: [non_finite]
        thresholds: {confirm_events: 3}
        save_dir: cli
    - class_path: gramscope.callbacks.MonitorProgressBar
"""
NEITHER = """
import sys
for name in ("lightning", "pytorch_lightning", "lightning_fabric", "lightning_utilities"):
    sys.modules[name] = None  # as if it were not installed

"""


def run(code: str, cwd: Path) -> str:
    """Run a program in a process that has loaded nothing yet."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("ours_first", [True, False], ids=["ours-first", "ours-last"])
@pytest.mark.parametrize("name", COPIES)
def test_trainer_and_cli_of_either_take_our_classes_in_any_order_of_import(
    name: str, ours_first: bool, tmp_path: Path
) -> None:
    imports = [OURS, f"import {name} as L"]
    first, second = imports if ours_first else reversed(imports)
    (tmp_path / "gram.yaml").write_text(YAML)

    run(PROGRAM.format(first=first, second=second, copy=name, copies=COPIES), cwd=tmp_path)

    said = json.loads((tmp_path / "said.json").read_text())
    assert said.pop("loaded") == [name], "the other one costs seconds"
    assert "Expected argument `max_samples` to be at least 1, but got 0." in said.pop("refused")
    assert said == {
        "logger": f"{name}.loggers.wandb",
        "trainer": {"logged": 3},
        "bars": ["MonitorProgressBar"],
        "yaml": [["GramMatrixCallback", "MonitorProgressBar"], {"logged": 2}],
        "short": ["GramMatrixCallback"],
        "default": ["GramMatrixCallback"],
    }
    for of in ("trainer", "cli"):
        file = tmp_path / of / "gram_matrix/step_00000006.npz"
        assert np.load(file)["gram"].shape == (4, 4)


def both() -> list[Any]:
    """The one that these tests use, and the one that is loaded after our callbacks."""
    return [importlib.import_module(name) for name in reversed(COPIES)]


def test_one_callback_in_trainers_of_both_one_after_the_other(tmp_path: Path) -> None:
    callback, bar = GramMatrixCallback(2, "embedding", save_dir=tmp_path), MonitorProgressBar()

    for lightning in both():
        trainer = lightning.Trainer(**QUIET, default_root_dir=tmp_path, callbacks=[bar, callback])
        trainer.fit(model(lightning)())

        (only,) = (c for c in trainer.callbacks if isinstance(c, lightning.callbacks.ProgressBar))
        assert only is bar
    assert callback.outcomes == {"logged": 6}


@pytest.mark.parametrize("cls", [GramMatrixCallback, RepresentationMonitor, MonitorProgressBar])
@pytest.mark.parametrize("again", [copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))])
def test_a_copy_of_a_callback_is_one_of_both(cls: Any, again: Callable[[Any], Any]) -> None:
    made = again(cls())

    assert made.config == cls().config
    for lightning in both():
        assert isinstance(made, lightning.Callback)


def test_an_import_that_cannot_be_followed_is_none_of_the_application_s_troubles(
    tmp_path: Path,
) -> None:
    said = run(
        f"import sys\n{OURS}\n"
        "class Old:\n"  # a finder as they were before `find_spec`
        "    def find_module(self, name, path=None):\n        pass\n"
        "sys.meta_path.insert(1, Old())\n"
        "import lightning.pytorch as L\n"
        "print(issubclass(GramMatrixCallback, L.Callback))\n"
        "print(isinstance(GramMatrixCallback(), L.Callback))",
        cwd=tmp_path,
    )

    assert said == "False\nTrue\n"


def test_without_lightning_it_is_said_what_to_install(tmp_path: Path) -> None:
    said = run(
        NEITHER + "import gramscope\n"
        "try:\n    import gramscope.callbacks\nexcept ImportError as error:\n    print(error)\n"
        "try:\n    gramscope.instantiate_callbacks({'gram': {'_target_': "
        "'gramscope.callbacks.GramMatrixCallback'}})\nexcept Exception as error:\n    print(error)",
        cwd=tmp_path,
    )

    of_import, of_hydra = said.splitlines()
    assert "pip install 'hydra-gramscope[lightning]'" in of_import
    assert "pip install 'hydra-gramscope[pytorch-lightning]'" in of_import
    assert of_hydra == f"`callbacks.gram` can't be set up: {of_import}"


def test_a_monitor_needs_no_lightning(tmp_path: Path) -> None:
    said = run(
        NEITHER + "import torch; from gramscope import Monitor\n"
        "monitor = Monitor('embedding', save_dir='gram')\n"
        "monitor.observe(step=1, features=torch.randn(8, 4))\n"
        "print([event.status for event in monitor.close()])",
        cwd=tmp_path,
    )

    assert said == "['logged']\n"
    assert (tmp_path / "gram/gram_matrix/step_00000001.png").is_file()
