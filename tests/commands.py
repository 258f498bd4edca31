"""Command lines as users type them, each in a directory of its own, once for all who ask.

They see the installed wheel; `scripts/train` is the bundled job in a copy of the checkout.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from tests import installed
from tests.composing import BASE, current
from tests.sharing import once

__all__ = ["Commands", "Done", "Result", "Run", "assert_no_traceback"]

# Runs command lines in an application.
Run = Callable[..., "Done"]

WARM = Path(__file__).with_name("warm.py")
# What is for a shell, or about starting itself, gets processes that have imported nothing.
COLD = re.compile(
    r"\bshow\.py|[|;&<>\n]|\$\(|\*/|-sc\b|--(help|cfg|info|hydra-help)\b|launch(er)?=|strategy=|=ddp|=gpu"
)
# By this environment variable a process is known to be ours, whatever session it has fled to.
MARK = "GRAMSCOPE_TEST_COMMAND"
JOB = """#!/bin/sh
PYTHONPATH="$CHECKOUT:$PWD" exec python "$CHECKOUT/project/train.py" "$@"
"""


@dataclass(frozen=True)
class Result:
    """What became of one command line."""

    text: str
    returncode: int
    stdout: str
    stderr: str
    left: list[str]  # processes that had to be killed after it

    @property
    def output(self) -> str:
        """All that it said."""
        return self.stdout + self.stderr

    def succeeded(self) -> str:
        """What it said, having ended well, left nothing behind and warned of nothing of ours."""
        ours = re.compile(r"gramscope/\S+:\d+: \w*Warning|Warning: .*gramscope")
        # An application that names no whitelist for what it instantiates (Hydra 1.4).
        theirs = re.compile(r"^(?!\S*gramscope/).* resolved _target_=| _target_='(?!gramscope)")
        assert self.returncode == 0, f"{self.text}\n{self.output}"
        assert self.left == []
        warned = [line for line in self.output.splitlines() if ours.search(line)]
        assert [line for line in warned if not theirs.search(line)] == []
        return self.output


def assert_no_traceback(result: Result) -> None:
    """Fail if a message is buried; of what fails in a job, Hydra 1.4 always shows where."""
    assert "Traceback" not in result.output or not BASE, result.output


@dataclass(frozen=True)
class Done:
    """What became of command lines, and the directory that they ran in, one after the other."""

    directory: Path
    results: list[Result]

    @property
    def result(self) -> Result:
        """Of the last."""
        return self.results[-1]

    @property
    def output(self) -> str:
        """Of the last, all of which have to have succeeded."""
        return [result.succeeded() for result in self.results][-1]

    def events(self, below: str = "") -> list[dict[str, Any]]:
        """Every event that was written below a directory, file by file."""
        files = sorted((self.directory / below).rglob("events.jsonl"))
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]

    def logged(self, below: str = "") -> list[tuple[str, int, int]]:
        """Feature, step and rows of every event, none of which may have been skipped."""
        events = self.events(below)
        assert [e for e in events if e["status"] != "logged"] == []
        return sorted((e["feature_key"], e["step"], e["n"]) for e in events)

    @property
    def sweep(self) -> Path:
        """Directory of the only sweep."""
        # Not every sweeper writes a file of its own; every job says of itself that it is one.
        jobs = self.directory.rglob(".hydra/hydra.yaml")
        (found,) = {job.parents[2] for job in jobs if "mode: MULTIRUN" in job.read_text()}
        return found


class Commands:
    """Runs command lines.

    Args:
        base: The session's temporary directory.
    """

    def __init__(self, base: Path) -> None:
        self._base = base
        self._warm: subprocess.Popen[str] | None = None

    def run(
        self,
        application: Path | None,
        *texts: str,
        warm: bool = True,
        timeout_s: int = 240,
        patience_s: float = 20,
    ) -> Done:
        """Run command lines in a fresh copy of an application, unless that has been done.

        Args:
            application: Its directory; None is an empty one.
            texts: The command lines, one after another.
            warm: Whether a script may find torch and Lightning imported; others never do.
            timeout_s: Seconds that each may take.
            patience_s: Seconds that processes may outlive the command that started them.
        """
        key = hashlib.sha256(repr((application, texts, warm)).encode()).hexdigest()[:16]

        def make(directory: Path) -> None:
            place = directory / "place"
            results = []
            if texts[1:]:
                before = self.run(application, *texts[:-1], warm=warm)
                shutil.copytree(before.directory, place, symlinks=True)
                results = before.results
            else:
                _copy(application, place)
            result = self._one(texts[-1], place, warm, timeout_s, patience_s)
            record = [asdict(result) for result in (*results, result)]
            (directory / "results.json").write_text(json.dumps(record))

        directory = once(self._base, f"commands/{key}", make)
        record = json.loads((directory / "results.json").read_text())
        return Done(directory / "place", [Result(**result) for result in record])

    def close(self) -> None:
        """End the warm Python."""
        if self._warm is not None:
            self._warm.communicate(timeout=60)

    def _one(self, text: str, place: Path, warm: bool, timeout_s: int, patience_s: float) -> Result:
        env = {**self._environment(), MARK: str(place)}
        outputs = [place.with_name("stdout"), place.with_name("stderr")]
        for output in outputs:
            output.write_text("")
        argv = _script(text, place, env) if warm and not COLD.search(text) else None
        run = functools.partial(self._fork, argv) if argv else functools.partial(_shell, text)
        code = run(place, env, timeout_s, outputs)
        said = [output.read_text(errors="replace") for output in outputs]
        if code == -signal.SIGALRM:
            said[1] += f"\nstill running after {timeout_s} s\n"
        return Result(text, code, *said, left=_end(str(place), patience_s))

    def _environment(self) -> dict[str, str]:
        return {
            **installed.variables(installed.environment(self._base, "wheel")),
            "CHECKOUT": str(installed.checkout(self._base)),
            "WHEELS": str(installed.wheel(self._base, "wheel").parent),
            "OMP_NUM_THREADS": "1",
            # Answers do not depend on the width of somebody's terminal.
            "COLUMNS": "200",
            # Ray would write a token into the home directory.
            "RAY_AUTH_MODE": "disabled",
        }

    def _fork(
        self, argv: list[str], cwd: Path, env: dict[str, str], timeout_s: int, outputs: list[Path]
    ) -> int:
        """Run a script in a fork of the warm Python."""
        if self._warm is None:
            python = installed.environment(self._base, "wheel") / "python"
            pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            self._warm = subprocess.Popen([python, WARM], env=self._environment(), **pipes)
        request = (argv, str(cwd), env, timeout_s, [str(output) for output in outputs])
        assert self._warm.stdin
        assert self._warm.stdout
        print(json.dumps(request), file=self._warm.stdin, flush=True)
        return int(self._warm.stdout.readline())


def _script(text: str, place: Path, env: dict[str, str]) -> list[str] | None:
    """The script that a command line runs and its arguments; None if a shell has to."""
    words = shlex.split(text)
    while "=" in words[0]:  # environment variables
        name, _, env[name] = words.pop(0).partition("=")
    if words[0] == "scripts/train":
        env["PYTHONPATH"] = f"{env['CHECKOUT']}:{place}"
        return [f"{env['CHECKOUT']}/project/train.py", *words[1:]]
    return words[1:] if words[0] == "python" and words[1].endswith(".py") else None


def _shell(text: str, cwd: Path, env: dict[str, str], timeout_s: int, outputs: list[Path]) -> int:
    """Run a command line in bash."""

    def prepare() -> None:
        # Whoever starts the tests in the background has them, and us, ignore Ctrl-C.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.alarm(timeout_s)

    with outputs[0].open("a") as stdout, outputs[1].open("a") as stderr:
        return subprocess.call(
            ["bash", "-c", text],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            # Files rather than pipes: nobody who holds them open can keep us waiting.
            stdout=stdout,
            stderr=stderr,
            preexec_fn=prepare,
        )


def _copy(application: Path | None, place: Path) -> None:
    """Copy an application, and a `scripts/train` that has nothing to install."""
    if application is None:
        place.mkdir()
    else:
        leave_out = shutil.ignore_patterns("__pycache__", "outputs")
        shutil.copytree(application, place, ignore=leave_out)
    for script in place.rglob("*.py"):
        script.write_text(current(script.read_text()))
    (place / "scripts").mkdir()
    (place / "scripts" / "train").write_text(JOB)
    (place / "scripts" / "train").chmod(0o755)


def _end(mark: str, patience_s: float) -> list[str]:
    """End marked processes that are still there when they should have gone by themselves."""
    deadline = time.monotonic() + patience_s
    while (found := _marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for process in found:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return [shlex.join(process.info["cmdline"]) for process in found]


def _marked(mark: str) -> list[psutil.Process]:
    # A zombie has no command line; whoever started it has to read its end.
    return [
        process
        for process in psutil.process_iter(["environ", "cmdline"])
        if process.info["cmdline"] and (process.info["environ"] or {}).get(MARK) == mark
    ]
