"""Runs tests with other versions than those of `constraints.txt`.

Called by `scripts/test`. With `--matrix` it runs what Hydra sees of us with every supported pair of
Hydra and OmegaConf: they are laid over the environment, each pair in a directory of its own below
it, with the launchers and sweepers that belong to them.
With `--prepare` it only makes the newest such directory, for the few tests that `scripts/test` runs
with it.
With `--lowest` and `--newest` it runs the library's tests in the environment as it is, which
`scripts/_setup.py` has made of such versions.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.metadata import requires, version
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
# What others do that newer versions of what they use deprecate; all else is an error.
THEIRS = {
    # Hydra 1.3 and its launchers with OmegaConf 2.4.
    "--matrix": ["ignore:register_new_resolver", "ignore:Implicit conversion from Version to str"],
    # Matplotlib 3.7 with pyparsing 3.3; W&B 0.16 leaves its sockets to the garbage collector.
    "--lowest": [
        "ignore::pyparsing.warnings.PyparsingDeprecationWarning",
        "ignore:unclosed <socket",
    ],
    # torch of Python 3.13.0, where it compiles.
    "--newest": ["ignore:Guards may run slower on Python"],
}

SEEN_BY_HYDRA = ("tests/gramscope/config", "tests/gramscope/attach", "tests/gramscope/sweep")
SEEN_BY_HYDRA += ("tests/foreign",)
# Not that what is installed is what is pinned, nor the application's.
LIBRARY = ("tests/gramscope", "tests/distributed", "tests/packaging/test_install.py")

# Versions in words, the directory that is laid over the environment, and tests.
Run = tuple[str, Path | None, tuple[str, ...]]


def main(option: str, *arguments: str) -> int:
    """Run all, print a table, and give 1 if a test failed."""
    if option == "--prepare":
        _overlay(*PAIRS[-1])
        return 0
    table = ["| versions | passed | skipped | failed |", "|---|---|---|---|"]
    failed = 0
    for versions, overlay, tests in _matrix() if option == "--matrix" else _installed():
        print(f"gramscope: {versions}", file=sys.stderr)
        passed, skipped, failures = _run(overlay, THEIRS[option], arguments or tests)
        failed += failures
        table.append(f"| {versions} | {passed} | {skipped} | {failures} |")
    print("\n".join(table))
    return int(failed > 0)


def _matrix() -> Iterator[Run]:
    for hydra, omegaconf, plugins in PAIRS:
        overlay = _overlay(hydra, omegaconf, plugins)
        yield f"hydra-core {hydra}, omegaconf {omegaconf}", overlay, SEEN_BY_HYDRA


def _installed() -> Iterator[Run]:
    _overlay(*PAIRS[-1])  # as `scripts/test` has it
    asked = [r for r in requires("hydra-gramscope") or () if "extra ==" not in r]
    names = sorted(re.split(r"[^\w.-]", r)[0] for r in asked)
    versions = [f"{name} {version(name)}" for name in names]
    yield ", ".join([f"Python {sys.version.split()[0]}", *versions]), None, LIBRARY


def _overlay(hydra: str, omegaconf: str, plugins: list[str]) -> Path:
    """A directory with these versions and nothing else."""
    directory = Path(sys.prefix) / f"hydra-{hydra}-omegaconf-{omegaconf}"
    if not directory.is_dir():
        wanted = [f"hydra-core=={hydra}", f"omegaconf=={omegaconf}", *plugins]
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
        unfinished = directory.with_suffix(".unfinished")
        subprocess.run([*install, str(unfinished), *wanted], check=True)
        unfinished.rename(directory)
    return directory


def _run(overlay: Path | None, theirs: list[str], tests: Iterable[str]) -> tuple[int, int, int]:
    # Both for the tests and for those that they start.
    warnings = " ".join(f"-W {shlex.quote(warning)}" for warning in theirs)
    # Others have none of a category that has to be imported, and say so.
    environment = {**os.environ, "PYTEST_ADDOPTS": warnings}
    environment["PYTHONWARNINGS"] = ",".join(w for w in theirs if "::" not in w)
    if overlay is not None:
        # Found before the environment's own, by the tests and by what they install.
        environment |= {"PYTHONPATH": str(overlay), "GRAMSCOPE_TEST_OVERLAY": str(overlay)}
    command = [sys.executable, "-m", "pytest", "--numprocesses", "logical", "--maxprocesses", "4"]
    command += ["--dist", "worksteal", *tests]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=-1, text=True)
    assert process.stdout is not None
    last = ""
    for line in process.stdout:
        print(line, end="", file=sys.stderr)
        last = line
    process.wait()
    counts = Counter({word: int(n) for n, word in re.findall(r"(\d+) ([a-z]+?)s?\b", last)})
    return counts["passed"], counts["skipped"], counts["failed"] + counts["error"]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
