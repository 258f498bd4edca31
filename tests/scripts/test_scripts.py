"""`scripts/train` and `scripts/test`: setting up, and passing on what they are given."""

import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with nothing in it but what the scripts read."""
    copy = tmp_path / "a checkout"
    shutil.copytree(ROOT / "scripts", copy / "scripts")
    shutil.copytree(ROOT / ".ci", copy / ".ci")
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, copy)
    return copy


def load(script: Path) -> ModuleType:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[script.stem] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def setup(checkout: Path) -> ModuleType:
    """`scripts/_setup.py` of that checkout."""
    return load(checkout / "scripts" / "_setup.py")


def install_stand_in(
    checkout: Path, setup: ModuleType, *extras: str, environment: str = ".venv"
) -> Path:
    """Stamp an environment whose Python prints what it is called with, and return that."""
    program = f"#!{sys.executable}\nimport os, sys\nprint(os.getcwd(), *sys.argv[1:], sep='|')\n"
    python = checkout / environment / "bin" / "python"
    python.parent.mkdir(parents=True, exist_ok=True)
    python.write_text(program)
    python.chmod(0o755)
    for extra in extras:
        (checkout / environment / f".installed-{extra}").write_text(setup._wanted())
    return python


def call(
    script: Path, *arguments: str, cwd: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a script."""
    return subprocess.run(
        [script, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHON": sys.executable, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_second_start_installs_nothing_and_passes_arguments_from_any_directory(
    checkout: Path, setup: ModuleType, tmp_path: Path
) -> None:
    install_stand_in(checkout, setup, "train")

    done = call(checkout / "scripts" / "train", "a=1", "b=c d", "+e=[f,g]", cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tmp_path}|{checkout}/project/train.py|a=1|b=c d|+e=[f,g]\n"


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_changed_file_calls_for_installing(name: str, checkout: Path, setup: ModuleType) -> None:
    install_stand_in(checkout, setup, "train")
    assert setup._is_installed(setup.TESTED, ["train"])
    assert not setup._is_installed(setup.TESTED, ["train", "test"])

    with (checkout / name).open("a") as file:
        file.write("# changed\n")

    assert not setup._is_installed(setup.TESTED, ["train"])


def test_every_check_runs_and_any_failure_counts(checkout: Path, setup: ModuleType) -> None:
    python = install_stand_in(checkout, setup, "train", "test")
    python.write_text('#!/usr/bin/env bash\necho "$@"\n[[ $2 != mypy ]]\n')

    done = call(checkout / "scripts" / "test", "-m", "not slow", cwd=Path("/"), CI="")

    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        "scripts/_matrix.py --prepare",
        "-m ruff check .",
        "-m ruff format --check .",
        "-m pytest --numprocesses logical --maxprocesses 4 --dist worksteal -m not slow",
        "-m mypy",
    ]
    assert done.stderr.splitlines()[-1] == "gramscope: failed: mypy"


def test_other_versions_have_an_environment_of_their_own(
    checkout: Path, setup: ModuleType, tmp_path: Path
) -> None:
    install_stand_in(checkout, setup, "train", "test", environment=".venv-lowest")

    done = call(checkout / "scripts" / "test", "--lowest", "a", "-k", "b c", cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{checkout}|{checkout}/scripts/_matrix.py|--lowest|a|-k|b c\n"
    assert not (checkout / ".venv").exists()


def test_what_is_newest_is_asked_for_at_every_start(checkout: Path, setup: ModuleType) -> None:
    python = install_stand_in(checkout, setup, "train", "test", environment=".venv-newest")
    python.write_text('#!/usr/bin/env bash\necho Installing "$@"\n')

    done = call(checkout / "scripts" / "test", "--newest", "a", cwd=checkout)

    assert done.returncode == 0
    pip = "Installing -m pip install --disable-pip-version-check"
    assert [line for line in done.stderr.splitlines() if pip in line] == [
        f"  {pip} --upgrade pip",
        f"  {pip} --editable {checkout}[train,test] --pre --upgrade --upgrade-strategy eager"[:102],
    ]
    assert done.stdout == f"Installing {checkout}/scripts/_matrix.py --newest a\n"


def test_the_lowest_versions_are_those_of_the_ranges(checkout: Path) -> None:
    lowest = load(checkout / "scripts" / "_lowest.py").lowest

    assert lowest(
        [
            "hydra-core<1.6,>=1.3",
            "numpy>=1.24",
            "lightning<3,>=2.2; extra == 'test'",
            "tomli>=2; python_version < '3.11' and extra == 'test'",
            "hydra-gramscope[slurm,ray]; extra == 'test'",
        ]
    ) == ["hydra-core==1.3", "numpy==1.24", "lightning==2.2", "tomli==2"]
    with pytest.raises(ValueError, match=r"lower bound but got .rich<14; python"):
        lowest(["rich<14; python_version >= '3'"])


def test_the_lowest_versions_are_installed_as_constraints(
    checkout: Path, setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = install_stand_in(checkout, setup, environment=".venv-lowest")
    python.write_text("#!/usr/bin/env bash\n[[ $1 != *_lowest.py ]] || echo torch==2.2\n")
    calls: list[list[str]] = []
    monkeypatch.setattr(setup, "_run_and_show", lambda command: calls.append(command[5:]))

    setup.main(["--lowest", "test"])

    constraints = checkout / ".venv-lowest" / "lowest.txt"
    assert calls == [
        ["--upgrade", "pip"],
        ["--no-deps", "--editable", str(checkout)],
        ["--editable", f"{checkout}[test]", "--constraint", str(constraints)],
    ]
    assert constraints.read_text() == "torch==2.2\n"
    assert setup._is_installed(setup.LOWEST, ["test"])


def test_ci_runs_the_same(checkout: Path, setup: ModuleType) -> None:
    install_stand_in(checkout, setup, "train", "test")
    (checkout / "scripts" / "test").write_text("#!/usr/bin/env bash\necho tested, CI=$CI\n")

    assert call(checkout / ".ci" / "run", cwd=Path("/"), CI="").stdout == "tested, CI=true\n"


@pytest.mark.parametrize(
    ("ci", "there", "installed"),
    [
        ("", [], []),
        ("true", [], ["chromium", "tmux"]),
        ("true", ["tmux"], ["chromium"]),
        ("true", ["chromium"], ["tmux"]),
        ("true", ["chromium", "tmux"], []),
    ],
)
def test_browser_and_terminal_are_installed_on_ci_or_the_run_fails(
    ci: str, there: list[str], installed: list[str], checkout: Path, setup: ModuleType
) -> None:
    install_stand_in(checkout, setup, "train", "test")
    programs = checkout / "bin"
    programs.mkdir()
    for name in ("bash", "cat", "dirname", "mktemp", "rm"):
        (programs / name).symlink_to(shutil.which(name) or "")
    for name in there:
        (programs / name).symlink_to(sys.executable)
    (programs / "apt-get").write_text("#!/bin/bash\necho apt-get $* >&2\n[[ $* != *install* ]]\n")
    (programs / "apt-get").chmod(0o755)

    done = call(checkout / "scripts" / "test", cwd=checkout, CI=ci, PATH=str(programs))

    tried = re.findall("apt-get -qq install .* (.*)", done.stderr)
    failed = re.findall("failed: installing (.*)", done.stderr)
    assert tried == [name.lower() for name in failed] == installed
    assert done.returncode == bool(installed)


@pytest.mark.parametrize("script", ["train", "test"])
def test_no_python_that_is_new_enough(script: str, checkout: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "dirname"):
        (programs / name).symlink_to(shutil.which(name) or "")
    (programs / "python3").write_text("#!/bin/sh\nexit 1\n")
    (programs / "python3").chmod(0o755)

    done = call(checkout / "scripts" / script, cwd=tmp_path, PATH=str(programs), PYTHON="python3")

    assert done.returncode == 1
    assert done.stderr.startswith("gramscope: Python 3.10 or newer is needed")
    assert done.stderr.count("\n") == 1


def test_a_full_disk_is_said_before_anything_is_made(
    checkout: Path, setup: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 0))

    with pytest.raises(setup.SetupError, match=r"the disk is full: .* 0\.0 GB are free"):
        setup.main(["train"])

    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("x\nNewConnectionError: Failed to establish a new connection\ny", "there is no network"),
        ("ERROR: something else\n\n", "ERROR: something else"),
        ("", "no reason was given"),
    ],
)
def test_what_pip_says_is_put_plainly(said: str, meaning: str, setup: ModuleType) -> None:
    assert setup._cause(said) == meaning


@pytest.mark.slow
def test_no_network(checkout: Path) -> None:
    nowhere = {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_RETRIES": "1",
        "PIP_TIMEOUT": "1",
    }

    done = call(checkout / "scripts" / "train", cwd=checkout, **nowhere)

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "gramscope: installing failed: there is no network. Start again to go on from here."
    )
    assert "Traceback" not in done.stderr


def test_a_start_waits_for_another_that_installs(checkout: Path, setup: ModuleType) -> None:
    with (checkout / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = subprocess.Popen(
            [sys.executable, checkout / "scripts" / "_setup.py", "train"],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert waiting.stderr is not None
        assert "waiting for another start" in waiting.stderr.readline()
        install_stand_in(checkout, setup, "train")

    said = waiting.communicate(timeout=60)[1]

    assert (waiting.returncode, said) == (0, "")
