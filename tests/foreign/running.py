"""Commands in copies of foreign applications, two at a time, each run once for all its tests.

A test says which commands it is about, the fixture `done` of `conftest.py` hands it what became of
them.
Most of a command's time goes into importing torch and Lightning: the commands of all tests of the
session start when the first of these tests does, longest first, and each test waits for its own.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

__all__ = [
    "APPLICATIONS",
    "NEWEST_SWEEP",
    "Done",
    "Pool",
    "Result",
    "Run",
    "Step",
    "after",
    "run",
    "sweeps",
]

APPLICATIONS = Path(__file__).parent / "applications"

WARM = Path(__file__).with_name("warm.py")

# Stands for the directory of the newest sweep where a command runs.
NEWEST_SWEEP = "<newest sweep>"

# By this environment variable a process is known to be ours, whatever session it has fled to.
MARK = "GRAMSCOPE_TEST_STEP"


@dataclass(frozen=True)
class Step:
    """One command line for bash, and the application in whose copy it runs.

    Without an application it runs where the step before it ran.
    """

    text: str
    application: str | None
    timeout_s: float = 240.0
    # Whether what it starts may find torch and Lightning imported already, see `warm.py`.
    warm: bool = False
    # Seconds that processes may outlive the command that started them.
    patience_s: float = 20.0


@dataclass(frozen=True)
class Run:
    """Commands that run one after another, in fresh copies of the applications they are for."""

    steps: tuple[Step, ...]

    @property
    def cost(self) -> float:
        """Seconds that it takes, roughly."""
        return sum(_cost(step.text) for step in self.steps)


def _cost(text: str) -> float:
    if "--cfg" in text or "--help" in text or "--info" in text or "show.py" in text:
        return 0.5
    if "gramscope-train" in text or "joblib" in text:
        return 20.0 if "ddp" in text or "joblib" in text else 10.0
    return 6.0 if ".py" in text else 0.5


def run(application: str, *commands: str) -> Run:
    """Commands for one application."""
    return Run(tuple(Step(command, application) for command in commands))


def after(*runs: Run, ids: Iterable[str] | None = None) -> Any:
    """Decorate a test that wants to know what became of a run."""
    names = [run.steps[0].application or "nowhere" for run in runs]
    return pytest.mark.parametrize("done", runs, indirect=True, ids=ids or names)


@dataclass(frozen=True)
class Result:
    """What became of one command."""

    text: str
    returncode: int
    output: str  # standard output and error, as they came
    seconds: float
    left: tuple[str, ...]  # processes that had to be killed after it

    @property
    def warnings_about_us(self) -> list[str]:
        """Lines in which Python warns of something that lies with this project."""
        ours = re.compile(r"(gramscope|[/ ]gramscope[/.]).*Warning", re.IGNORECASE)
        return [line for line in self.output.splitlines() if ours.search(line)]


@dataclass(frozen=True)
class Done:
    """What became of a run."""

    directory: Path
    results: tuple[Result, ...]

    @property
    def result(self) -> Result:
        """Of its only command."""
        (result,) = self.results
        return result

    @property
    def output(self) -> str:
        """Of its only command, which has to have succeeded."""
        result = self.result
        assert result.returncode == 0, f"{result.text}\n{result.output}"
        assert result.left == ()
        assert result.warnings_about_us == []
        return result.output

    @property
    def outputs(self) -> list[str]:
        """Of each command, all of which have to have succeeded."""
        return [Done(self.directory, (result,)).output for result in self.results]

    def events(self, below: str = "") -> list[dict[str, Any]]:
        """Every event that was written below a directory, file by file."""
        files = sorted((self.directory / below).rglob("events.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    def logged(self, below: str = "") -> list[tuple[str, int, int]]:
        """Feature, step and rows of every event, none of which may have been skipped."""
        events = self.events(below)
        assert [e for e in events if e["status"] != "logged"] == []
        return sorted((e["feature_key"], e["step"], e["n"]) for e in events)


class WarmPython:
    """The installed Python with the imports done, and programs that hand their work to it.

    Args:
        directory: Gets the programs.
        scripts: Those of the installation, whose place they take.
        variables: Environment variables of the server.
    """

    def __init__(self, directory: Path, scripts: Path, variables: dict[str, str]) -> None:
        self.programs = directory / "bin"
        self.programs.mkdir(parents=True)
        # The name of a socket has room for some hundred characters.
        self._socket_directory = tempfile.TemporaryDirectory()
        address = f"{self._socket_directory.name}/warm"
        python = scripts / "python"
        for name in ("python", "gramscope-train"):
            words = [python, "-S", "-E", WARM, "ask", address, scripts / name]
            program = self.programs / name
            program.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, words))} "$@"\n')
            program.chmod(0o755)
        self._log = (directory / "server.txt").open("wb")
        self._server = subprocess.Popen(
            [python, WARM, "serve", address],
            cwd=directory,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        while not Path(address).exists():
            assert self._server.poll() is None, (directory / "server.txt").read_text()
            time.sleep(0.05)

    def close(self) -> None:
        """End the server."""
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(60)
        self._log.close()
        self._socket_directory.cleanup()


class Pool:
    """Runs, two at a time.

    Args:
        directory: Gets a directory for each run.
        scripts: Those of the installation.
        variables: Environment variables of the commands.
    """

    def __init__(self, directory: Path, scripts: Path, variables: dict[str, str]) -> None:
        self._scripts = scripts
        self._warm: WarmPython | None = None
        self._directory = directory
        self._variables = variables
        self._executor = ThreadPoolExecutor(2)
        self._futures: dict[Run, Future[Done]] = {}
        self._number = itertools.count()
        self._lock = threading.Lock()
        self._closed = False
        self._marks: set[str] = set()

    def start(self, run: Run) -> None:
        """Have a run done as soon as there is room."""
        if run not in self._futures:
            if self._warm is None and any(step.warm for step in run.steps):
                self._warm = WarmPython(self._directory / "warm", self._scripts, self._variables)
            directory = self._directory / f"{next(self._number):03}"
            self._futures[run] = self._executor.submit(self._do, run, directory)

    def wait(self, run: Run) -> Done:
        """What became of a run."""
        self.start(run)
        return self._futures[run].result()

    def close(self) -> None:
        """End what still runs, which is something only if the tests were cut short."""
        with self._lock:
            self._closed = True
            marks = tuple(self._marks)
        self._executor.shutdown(wait=False, cancel_futures=True)
        for mark in marks:
            _kill(_marked(mark))
        self._executor.shutdown()
        if self._warm is not None:
            self._warm.close()

    def _do(self, run: Run, directory: Path) -> Done:
        place = directory / "empty"
        place.mkdir(parents=True)
        results = []
        for step in run.steps:
            if step.application is not None:
                place = directory / (step.application or "empty")
                _copy_application(step.application, place)
            output = directory / f"output_{len(results)}.txt"
            results.append(self._command(step, place, output))
        return Done(directory, tuple(results))

    def _command(self, step: Step, place: Path, output: Path) -> Result:
        mark = f"{self._directory.name}/{output.parent.name}/{output.name}/{os.getpid()}"
        text = step.text
        if NEWEST_SWEEP in text:
            text = text.replace(NEWEST_SWEEP, _newest_sweep(place))
        variables = {**self._variables, MARK: mark}
        if step.warm and self._warm is not None:
            variables["PATH"] = f"{self._warm.programs}{os.pathsep}{variables['PATH']}"
        started = time.monotonic()
        with output.open("wb") as file:
            with self._lock:
                if self._closed:
                    raise RuntimeError("the tests are over")
                self._marks.add(mark)
                process = subprocess.Popen(
                    ["bash", "-c", text],
                    cwd=place,
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    # A file rather than a pipe: nobody who holds it open can keep us waiting.
                    stdout=file,
                    stderr=subprocess.STDOUT,
                )
            try:
                process.wait(step.timeout_s)
            except subprocess.TimeoutExpired:
                file.write(f"\nstill running after {step.timeout_s:.0f} s\n".encode())
                _kill(_marked(mark))
                process.wait()
        seconds = time.monotonic() - started
        left = _survivors(mark, step.patience_s)
        _kill(left)
        with self._lock:
            self._marks.remove(mark)
        said = output.read_text(errors="replace")
        return Result(text, process.returncode, said, seconds, tuple(left.values()))


def _copy_application(name: str, place: Path) -> None:
    """Copy an application, unless an earlier command of the run was there."""
    if name and not place.exists():
        shutil.copytree(
            APPLICATIONS / name, place, ignore=shutil.ignore_patterns("__pycache__", "outputs")
        )
        shutil.copy(APPLICATIONS / "tiny.py", place)


def sweeps(directory: Path) -> list[Path]:
    """Directories of the sweeps below a directory, oldest first."""
    # Not every sweeper writes a file of its own; every job says of itself that it is one.
    jobs = sorted(directory.rglob(".hydra/hydra.yaml"), key=lambda path: path.stat().st_mtime)
    return list(dict.fromkeys(j.parents[2] for j in jobs if "mode: MULTIRUN" in j.read_text()))


def _newest_sweep(place: Path) -> str:
    found = sweeps(place)
    return str(found[-1].relative_to(place)) if found else "no sweep was made here"


def _survivors(mark: str, patience_s: float) -> dict[int, str]:
    """Processes that are still there when they should have gone by themselves."""
    deadline = time.monotonic() + patience_s
    while (found := _marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _marked(mark: str) -> dict[int, str]:
    """Process id and command line of every process with a mark."""
    return dict(_scan(f"{MARK}={mark}".encode()))


def _scan(entry: bytes) -> Iterator[tuple[int, str]]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if entry in (process / "environ").read_bytes().split(b"\0"):
                words = (process / "cmdline").read_bytes().split(b"\0")
                # A zombie has no command line; whoever started it has to read its end.
                if words != [b""]:
                    yield int(process.name), b" ".join(words).decode(errors="replace")
        except OSError:  # gone, or somebody else's
            continue


def _kill(processes: Iterable[int]) -> None:
    for process in processes:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue
