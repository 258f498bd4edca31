"""Plans of random faults, which follow from a seed alone, and what makes each of them happen."""

import ctypes
import dataclasses
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import psutil
import torch

import gramscope

KEY, RANKS, TIMEOUT_S, PAUSE_S = "features", 2, 8.0, 0.06
ENDS = ("completed", "exception", "sigterm", "interrupt")
_ROOT = str(Path(gramscope.__file__).parent)
_LEFT_OUT = "monitor/boundary.py"  # the door itself

Outputs = dict[str, Any]


class Kind(NamedTuple):
    """How often faults of a kind strike, where, and how long they last."""

    weight: int
    seconds: tuple[float, float] = (0.0, 0.0)
    steps: tuple[int, int] = (0, 0)
    """Training steps that it lasts; 0: it passes by itself."""
    root_only: bool = False
    thread: str = ""
    """Which one dies of it: each is replaced once a fit, so none may die twice."""


_TRACED = ("monitor", "recorder", "training")
_LONG = (1.5 * TIMEOUT_S, 1.5 * TIMEOUT_S)
_FEATURES = Kind(1, steps=(1, 5))
KINDS = {
    "late": Kind(4, (0.5, 3.0)),
    "late_for_long": Kind(1, _LONG),
    "process_stopped": Kind(3, (1.0, 3.0)),
    "helper_killed": Kind(3, root_only=True),
    "helper_stopped": Kind(3, (0.5, 3.0), root_only=True),
    "helper_stopped_for_long": Kind(1, _LONG, root_only=True),
    "monitor_killed": Kind(4, thread="monitor"),
    "monitor_error": Kind(4, thread="monitor"),
    "recorder_killed": Kind(2, thread="recorder", root_only=True),
    "recorder_error": Kind(2, thread="recorder", root_only=True),
    "training_thread_error": Kind(6),
    "disk_full": Kind(2, steps=(10, 60), root_only=True),
    "unwritable": Kind(2, steps=(10, 60), root_only=True),
    "logger_raises": Kind(2, steps=(1, 20), root_only=True),
    **dict.fromkeys(("missing_key", "trap", "nan", "other_dimension"), _FEATURES),
    **dict.fromkeys(("other_dtype", "zero_rows", "fewer_rows"), _FEATURES),
}


@dataclasses.dataclass(frozen=True)
class Strike:
    """One fault of a fit."""

    kind: str
    rank: int
    step: int
    moment_s: float
    """After the beginning of the training step."""
    seconds: float
    steps: int
    calls: int
    """For errors: how many-th function call of ours from here on fails."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """One fit: its length, its faults, and how it ends."""

    number: int
    steps: int
    end: str
    control: bool
    """Whether its weights are compared with those of a run without callback."""
    strikes: list[Strike]


def plan(seed: int, number: int, most_steps: int) -> Plan:
    """The plan of the ``number``-th fit, alike on all ranks."""
    draw = random.Random(f"{seed}/{number}")
    steps = draw.randint(most_steps // 4, most_steps)
    # A traced thread of Python 3.11 stands still while another has still to be hit by a kill.
    left_out = draw.choice(("_error", "_killed"))
    strikes, dead, step = [], set(), 5
    over: dict[str, int] = {}  # one that strikes again before it is over would never be
    while step <= steps:
        strike = _strike(draw, step)
        thread = KINDS[strike.kind].thread and f"{KINDS[strike.kind].thread} {strike.rank}"
        traced = strike.kind.startswith(_TRACED) and strike.kind.endswith(left_out)
        if thread not in dead and not traced and step > over.get(strike.kind, 0):
            strikes.append(strike)
            over[strike.kind] = step + strike.steps
            dead |= {thread} - {""}
        close = draw.random() < 0.2  # to the one before, so that both act at once
        step += draw.randint(0, 3) if close else draw.randint(15, max(16, most_steps // 8))
    return Plan(number, steps, draw.choice(ENDS), draw.random() < 0.3, strikes)


def _strike(draw: random.Random, step: int) -> Strike:
    name = draw.choices(list(KINDS), [kind.weight for kind in KINDS.values()])[0]
    kind, rank = KINDS[name], draw.randrange(RANKS)
    return Strike(
        name,
        0 if kind.root_only else rank,
        step,
        # Threads are at work on an event at the beginning of the next step.
        round(draw.uniform(0, PAUSE_S / 4 if kind.thread else PAUSE_S), 4),
        round(draw.uniform(*kind.seconds), 2),
        draw.randint(*kind.steps),
        draw.randint(1, 60),
    )


class Faults:
    """Makes the faults of one fit happen on one rank.

    Args:
        strikes: Those of all ranks.
        rank: This rank.
        link: Symbolic link to a directory, with `events.jsonl` below ``gram``.
    """

    def __init__(self, strikes: list[Strike], rank: int, link: Path) -> None:
        self._to_come = [strike for strike in strikes if strike.rank == rank]
        self._lasting: list[tuple[Strike, Any, dict[str, Any]]] = []
        self._spoilers: list[Callable[[Outputs], Outputs]] = []
        self._stoppers: list[subprocess.Popen[bytes]] = []
        self._link = link
        self.logger_raises = False
        self.struck: list[dict[str, Any]] = []
        """What has struck: its plan, when it ended, and what it hit."""
        # Of threads that are started from here on.
        traced = any(strike.kind.endswith("_error") for strike in strikes)
        threading.settrace(_trace if traced else None)

    def begin(self, step: int) -> None:
        """Wait as a training step does, meanwhile lift what is over and strike what is due."""
        start = time.monotonic()
        self._lift(step)
        for strike in [each for each in self._to_come if each.step == step]:
            time.sleep(max(0.0, start + strike.moment_s - time.monotonic()))
            self._begin(strike)
        time.sleep(max(0.0, start + PAUSE_S - time.monotonic()))

    def spoil(self, outputs: Outputs) -> Outputs:
        """What the model returns instead."""
        return self._spoilers[-1](outputs) if self._spoilers else outputs

    def end(self) -> None:
        """Put everything back after a fit."""
        sys.settrace(None)
        self._lift(None)
        _planted.clear()
        for stopper in self._stoppers:
            stopper.wait()

    def _begin(self, strike: Strike) -> None:
        record = {**dataclasses.asdict(strike), "hit": None}
        strikes = getattr(self, f"_{strike.kind}", None)
        fault = strikes(strike, record) if strikes else self._spoils(_SPOILERS[strike.kind])
        self.struck.append(record)
        fault.__enter__()
        record["ended"] = time.monotonic() + strike.seconds * (strike.kind in _BESIDE)
        self._lasting.append((strike, fault, record))

    def _lift(self, step: int | None) -> None:
        for item in self._lasting[:]:
            strike, fault, record = item
            if step is None or step >= strike.step + strike.steps:
                fault.__exit__(None, None, None)
                self._lasting.remove(item)
                if strike.steps:
                    record.update(ended=time.monotonic(), lifted=step)

    @contextmanager
    def _spoils(self, spoiler: Callable[[Outputs], Outputs]) -> Iterator[None]:
        self._spoilers.append(spoiler)
        yield
        self._spoilers.remove(spoiler)

    @contextmanager
    def _late(self, strike: Strike, record: dict[str, Any]) -> Iterator[None]:
        time.sleep(strike.seconds)
        yield

    _late_for_long = _late

    @contextmanager
    def _process_stopped(self, strike: Strike, record: dict[str, Any]) -> Iterator[None]:
        pid = os.getpid()
        script = f"kill -STOP {pid}; sleep {strike.seconds}; kill -CONT {pid}"
        self._stoppers.append(subprocess.Popen(["sh", "-c", script]))
        yield

    @contextmanager
    def _helper_killed(self, strike: Strike, record: dict[str, Any]) -> Iterator[None]:
        record["hit"] = drawing_helpers(signal.SIGKILL)
        yield

    @contextmanager
    def _helper_stopped(self, strike: Strike, record: dict[str, Any]) -> Iterator[None]:
        record["hit"] = stopped = drawing_helpers(signal.SIGSTOP)
        script = f"sleep {strike.seconds}; kill -CONT {' '.join(map(str, stopped))} 2>&-"
        self._stoppers.append(subprocess.Popen(["sh", "-c", script]))
        yield

    _helper_stopped_for_long = _helper_stopped

    @contextmanager
    def _monitor_killed(self, strike: Strike, record: dict[str, Any]) -> Iterator[None]:
        record["hit"] = [_kill(ident) for ident in _idents(strike)]
        yield

    _recorder_killed = _monitor_killed

    @contextmanager
    def _monitor_error(self, strike: Strike, record: dict[str, Any]) -> Iterator[None]:
        record["hit"] = ""
        for ident in _idents(strike):
            _planted[ident] = [strike.calls, record]
        yield

    _recorder_error = _monitor_error

    @contextmanager
    def _training_thread_error(self, strike: Strike, record: dict[str, Any]) -> Iterator[None]:
        record["hit"] = ""
        _planted[threading.get_ident()] = [strike.calls, record]
        sys.settrace(_trace)
        yield

    @contextmanager
    def _disk_full(self, strike: Strike, record: dict[str, Any]) -> Iterator[None]:
        record["written"] = last_written(self._link)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, hard))
        yield
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))

    @contextmanager
    def _unwritable(self, strike: Strike, record: dict[str, Any]) -> Iterator[None]:
        record["written"] = last_written(self._link)
        was = self._link.readlink()
        point(self._link, "/dev/null")
        yield
        point(self._link, was)

    @contextmanager
    def _logger_raises(self, strike: Strike, record: dict[str, Any]) -> Iterator[None]:
        self.logger_raises = True
        yield
        self.logger_raises = False


_BESIDE = ("process_stopped", "helper_stopped", "helper_stopped_for_long")  # training goes on


def point(link: Path, target: str | Path) -> None:
    """Have a symbolic link point elsewhere from one moment to the next."""
    new = link.with_name("new")
    new.symlink_to(target)
    new.replace(link)


def last_written(link: Path) -> int:
    """The last step that the account has a line of."""
    try:
        lines = (link / "gram" / "events.jsonl").read_text().splitlines()
    except OSError:
        return 0
    return max((json.loads(line)["step"] for line in lines), default=0)


def drawing_helpers(send: int = 0) -> list[int]:
    """Send a signal to the processes that draw for this one, and say which they are."""
    helpers = []
    for child in psutil.Process().children():
        try:
            if any("gramscope.picture.server" in word for word in child.cmdline()):
                child.send_signal(send)
                helpers.append(child.pid)
        except psutil.NoSuchProcess:
            continue
    return helpers


def threads() -> dict[str, int]:
    """The living threads of ours, by name, with their identities."""
    found = {thread.name: thread.ident or 0 for thread in threading.enumerate()}
    return {name: ident for name, ident in found.items() if name.startswith("gramscope")}


def _idents(strike: Strike) -> list[int]:
    name = f"gramscope-{KINDS[strike.kind].thread}"
    return [ident for thread, ident in threads().items() if thread == name]


def _kill(ident: int) -> str:
    # A thread that is being started has its starter's identity for a moment, and would be hit.
    while threading.Thread.start.__code__ in (stack := _stack(ident)):
        time.sleep(0.001)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(SystemExit))
    return " < ".join(code.co_name for code in stack[:4])


def _stack(ident: int) -> list[Any]:
    frames = traceback.walk_stack(sys._current_frames().get(ident))
    return [frame.f_code for frame, _ in frames]


class PlantedError(RuntimeError):
    """What a function of ours raises for no reason of its own."""


_planted: dict[int, list[Any]] = {}
"""By thread, after how many calls one fails, and what is told of it."""


def _trace(frame: FrameType, event: str, _: Any) -> None:
    if not _planted or event != "call":
        return
    code = frame.f_code
    if not code.co_filename.startswith(_ROOT) or code.co_filename.endswith(_LEFT_OUT):
        return
    planted = _planted.get(threading.get_ident())
    if planted is None or code.co_name.startswith("<"):
        return
    planted[0] -= 1
    if not planted[0]:
        del _planted[threading.get_ident()]
        where = f"{Path(code.co_filename).name}:{code.co_name}"
        planted[1].update(ended=time.monotonic(), hit=where)
        raise PlantedError(f"planted in {where}")


class Trap(dict):  # type: ignore[type-arg]
    """A mapping that raises when it is looked at."""

    def __contains__(self, key: object) -> bool:
        raise RuntimeError("trap")


def _with(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Outputs], Outputs]:
    return lambda outputs: {**outputs, KEY: change(outputs[KEY])}


_SPOILERS: dict[str, Callable[[Outputs], Outputs]] = {
    "missing_key": lambda outputs: {"loss": outputs["loss"]},
    "trap": Trap,
    "nan": _with(lambda rows: torch.cat([rows[:3] * torch.nan, rows[3:]])),
    "other_dimension": _with(lambda rows: rows[:, :5]),
    "other_dtype": _with(torch.Tensor.bfloat16),
    "zero_rows": _with(lambda rows: rows[:0]),
    "fewer_rows": _with(lambda rows: rows[:3]),
}
