"""Runs what Hydra sees of us with every supported pair of Hydra and OmegaConf.

Called by `scripts/test --matrix`. Other versions are laid over the environment, each in a directory
of its own below `.venv`, with the launchers and sweepers that belong to them.
With `--prepare` it only makes the newest such directory, for the few tests that `scripts/test` runs
with it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

FOR_13 = ["hydra-colorlog==1.2.0", "hydra-joblib-launcher==1.2.0", "hydra-optuna-sweeper==1.3.0"]
FOR_13 += ["hydra-ray-launcher==1.2.2", "hydra-submitit-launcher==1.2.0"]
FOR_14 = ["hydra-colorlog==1.4.0rc3", "hydra-joblib-launcher==1.4.0rc3", "optuna==4.9.0"]
FOR_14 += ["hydra-ray-launcher==1.4.0rc3", "hydra-submitit-launcher==1.4.0rc3"]
FOR_14 += ["hydra-optuna-sweeper==1.4.0rc3", "cloudpickle==3.1.2"]

# Hydra, OmegaConf, and what belongs to them.
PAIRS = [
    ("1.3.8", "2.3.1", FOR_13),
    ("1.3.8", "2.4.0", FOR_13),
    ("1.4.0rc3", "2.4.1rc1", FOR_14),
]
# What Hydra 1.3 and its launchers do is deprecated in OmegaConf 2.4; all else is an error.
THEIRS = ["ignore:register_new_resolver", "ignore:Implicit conversion from Version to str"]

TESTS = ("tests/gramscope/config", "tests/gramscope/attach", "tests/gramscope/sweep")
TESTS += ("tests/foreign",)


def main(arguments: list[str]) -> int:
    """Run all, print a table, and give 1 if a test failed."""
    if arguments == ["--prepare"]:
        _overlay(*PAIRS[-1])
        return 0
    table = ["| hydra-core | omegaconf | passed | skipped | failed |", "|---|---|---|---|---|"]
    failed = 0
    for hydra, omegaconf, plugins in PAIRS:
        print(f"gramscope: Hydra {hydra} with OmegaConf {omegaconf}", file=sys.stderr)
        passed, skipped, failures = _run(_overlay(hydra, omegaconf, plugins), arguments)
        failed += failures
        table.append(f"| {hydra} | {omegaconf} | {passed} | {skipped} | {failures} |")
    print("\n".join(table))
    return int(failed > 0)


def _overlay(hydra: str, omegaconf: str, plugins: list[str]) -> Path:
    """A directory with these versions and nothing else."""
    directory = ROOT / ".venv" / f"hydra-{hydra}-omegaconf-{omegaconf}"
    if not directory.is_dir():
        wanted = [f"hydra-core=={hydra}", f"omegaconf=={omegaconf}", *plugins]
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
        unfinished = directory.with_suffix(".unfinished")
        subprocess.run([*install, str(unfinished), *wanted], check=True)
        unfinished.rename(directory)
    return directory


def _run(overlay: Path, arguments: list[str]) -> tuple[int, int, int]:
    # Found before the environment's own, by the tests and by what they install.
    environment = {**os.environ, "PYTHONPATH": str(overlay), "GRAMSCOPE_TEST_OVERLAY": str(overlay)}
    environment["PYTHONWARNINGS"] = ",".join(THEIRS)
    command = [sys.executable, "-m", "pytest", "--numprocesses", "logical", "--dist", "worksteal"]
    for warning in THEIRS:
        command += ["-W", warning]
    process = subprocess.Popen(
        [*command, *(arguments or TESTS)], cwd=ROOT, env=environment, stdout=-1, text=True
    )
    assert process.stdout is not None
    last = ""
    for line in process.stdout:
        print(line, end="", file=sys.stderr)
        last = line
    process.wait()
    counts = Counter({word: int(n) for n, word in re.findall(r"(\d+) ([a-z]+?)s?\b", last)})
    return counts["passed"], counts["skipped"], counts["failed"] + counts["error"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
