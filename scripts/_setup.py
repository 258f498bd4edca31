"""Makes `.venv` and installs this project with the extras named on the command line.

Called by `scripts/train` and `scripts/test` with any Python ≥ 3.10; standard library only.
What is installed is stamped with the hash of what decides it, so that a second start only reads
the stamp.
With `--lowest` or `--newest` before the extras it does the same beside `.venv`, with the lowest
versions of the ranges in `pyproject.toml`, or the newest there are at this start, pre-releases too.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# torch with all its libraries, roughly; the CPU build takes less.
NEEDED_BYTES = 3 * 2**30

# What pip says -> what that means.
CAUSES = {
    "No space left on device": "the disk is full",
    "Disk quota exceeded": "the disk is full",
    "Failed to establish a new connection": "there is no network",
    "Temporary failure in name resolution": "there is no network",
    "Network is unreachable": "there is no network",
    "Could not fetch URL": "the package index can't be reached",
    "No matching distribution found": "the package index lacks a package for this Python",
    "ReadTimeoutError": "the package index does not answer",
}


class SetupError(Exception):
    """Something that the person at the keyboard has to mend."""


@dataclass(frozen=True)
class Environment:
    """Where to install: one directory for each choice of versions."""

    name: str = ".venv"

    @property
    def directory(self) -> Path:
        return ROOT / self.name

    @property
    def python(self) -> Path:
        return self.directory / "bin" / "python"

    def stamp(self, extra: str) -> Path:
        return self.directory / f".installed-{extra}"


TESTED = Environment()
LOWEST = Environment(".venv-lowest")
NEWEST = Environment(".venv-newest")
OPTIONS = {"--lowest": LOWEST, "--newest": NEWEST}


def main(arguments: Sequence[str]) -> None:
    """Install what is missing.

    Args:
        arguments: Names of optional dependencies in `pyproject.toml`, after an option if any.
    """
    environment = OPTIONS.get(arguments[0], TESTED)
    extras = [argument for argument in arguments if argument not in OPTIONS]
    if _is_installed(environment, extras):
        return
    with _lock(environment):
        # Another start may have done it while this one waited.
        if not _is_installed(environment, extras):
            _make(environment)
            _install(environment, extras)


def _wanted() -> str:
    """Hash what decides the environment's content: the two files, and where the checkout is."""
    wanted = hashlib.sha256(str(ROOT).encode())
    for name in ("pyproject.toml", "constraints.txt"):
        wanted.update((ROOT / name).read_bytes())
    return wanted.hexdigest()


def _is_installed(environment: Environment, extras: Sequence[str]) -> bool:
    # What is newest changes without us.
    if environment is NEWEST or not environment.python.exists():
        return False
    stamps = [environment.stamp(extra) for extra in extras]
    return all(s.exists() and s.read_text() == _wanted() for s in stamps)


@contextlib.contextmanager
def _lock(environment: Environment) -> Iterator[None]:
    """Let one start at a time install; the system frees the lock of one that was killed."""
    with (ROOT / f"{environment.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("waiting for another start to finish installing …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(environment: Environment) -> None:
    if _works(environment.python, "import sys, pip; sys.exit(sys.version_info < (3, 10))"):
        return
    if _works(environment.python, "import sys; sys.exit(sys.version_info >= (3, 10))"):
        raise SetupError(
            f"{environment.directory} has a Python older than 3.10; remove it and start again."
        )
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_BYTES:
        raise SetupError(
            f"the disk is full: an environment needs about {NEEDED_BYTES >> 30} GB in {ROOT}, "
            f"{free / 2**30:.1f} GB are free."
        )
    _say(f"making {environment.directory} with Python {sys.version.split()[0]} …")
    # Clears the half-made one of a start that was killed.
    command = [sys.executable, "-m", "venv", "--clear", str(environment.directory)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        raise SetupError(
            f"'python -m venv' failed: {_cause(made.stdout + made.stderr)}. "
            "On Debian and Ubuntu it needs the package python3-venv."
        )


def _install(environment: Environment, extras: Sequence[str]) -> None:
    _say(f"installing {', '.join(extras)} requirements; the first time takes some minutes …")
    project = ["--editable", f"{ROOT}[{','.join(extras)}]"]
    if environment is not TESTED:
        # Where nothing is pinned, an old pip downloads everything that it considers.
        _pip(environment, "--upgrade", "pip")
    _pip(environment, *project, *_versions(environment))
    for extra in extras:
        environment.stamp(extra).write_text(_wanted())
    _say("ready.")


def _versions(environment: Environment) -> list[str]:
    """What has pip choose them."""
    if environment is NEWEST:
        return ["--pre", "--upgrade", "--upgrade-strategy", "eager"]
    if environment is LOWEST:
        return ["--constraint", str(_lowest(environment))]
    # torch by name, to have pip settle on the tested version before anything else asks for one.
    return ["--constraint", str(ROOT / "constraints.txt"), "torch"]


def _lowest(environment: Environment) -> Path:
    _pip(environment, "--no-deps", "--editable", str(ROOT))
    constraints = environment.directory / "lowest.txt"
    command = [environment.python, ROOT / "scripts" / "_lowest.py"]
    constraints.write_text(subprocess.run(command, stdout=-1, text=True, check=True).stdout)
    return constraints


def _pip(environment: Environment, *arguments: str) -> None:
    command = [str(environment.python), "-m", "pip", "install", "--disable-pip-version-check"]
    output = _run_and_show([*command, *arguments])
    if output is not None:
        raise SetupError(f"installing failed: {_cause(output)}. Start again to go on from here.")


def _run_and_show(command: Sequence[str]) -> str | None:
    """Run pip, showing what it downloads; return its last output if it fails."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    last: deque[str] = deque(maxlen=200)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            last.append(line)
            word = line.strip().partition(" ")[0]
            if word in {"Downloading", "Building", "Installing"}:
                print(f"  {line.strip():.100}", file=sys.stderr)
    return "".join(last) if pip.returncode else None


def _works(python: Path, code: str) -> bool:
    try:
        return not subprocess.run([python, "-c", code], capture_output=True, check=False).returncode
    except OSError:
        return False


def _cause(output: str) -> str:
    for said, meaning in CAUSES.items():
        if said in output:
            return meaning
    errors = [line for line in output.splitlines() if line.strip()]
    return errors[-1].strip() if errors else "no reason was given"


def _say(text: str) -> None:
    print(f"gramscope: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SetupError as error:
        _say(str(error))
        sys.exit(1)
    except OSError as error:
        _say(f"setting up failed: {error.strerror}: {error.filename or ROOT}.")
        sys.exit(1)
    except KeyboardInterrupt:
        _say("interrupted; start again to go on from here.")
        sys.exit(130)
