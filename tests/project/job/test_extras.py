"""What is said where a package is missing that comes with an extra."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

# The job in an environment without one package; a plugin is missing where Hydra cannot see it.
JOB = """
import pkgutil, runpy, sys
missing, *sys.argv[1:] = sys.argv[1:]
walk = pkgutil.walk_packages
pkgutil.walk_packages = lambda *a, **k: (m for m in walk(*a, **k) if missing not in m.name)
sys.modules[missing] = None
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("missing", "override", "extra"),
    [
        ("hydra_joblib_launcher", "launch=joblib", "sweep"),
        ("hydra_optuna_sweeper", "experiment=optuna", "sweep"),
        ("hydra_submitit_launcher", "launch=slurm", "slurm"),
        ("hydra_submitit_launcher", "launch=slurm_local", "slurm"),
        ("hydra_ray_launcher", "launch=ray", "ray"),
        ("monai", "logger=none", "train"),
        ("pytorch_lightning", "logger=none", "train"),
        ("nothing", "launch=jobilb", None),
    ],
)
def test_the_job_names_the_extra_of_what_is_missing(
    missing: str, override: str, extra: str | None, tmp_path: Path
) -> None:
    program = JOB.replace("sys.argv[0]", repr(str(ROOT / "project" / "train.py")))

    done = subprocess.run(
        [sys.executable, "-c", program, missing, override],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    if extra is None:
        assert "pip install" not in done.stderr
    else:
        assert f"-m pip install 'hydra-gramscope[{extra}]'" in done.stderr
