"""Random faults for an hour, on two ranks: that nothing is lost, stays or hangs.

Two real processes train fit after fit, an event due at every step. Faults of every kind strike at
random steps: late and stopped ranks, dead and stuck threads and helper processes, full disks, bad
features, failing loggers, errors within the library's own functions, and training that ends by an
exception or a signal. Plans follow from `--seed` and `--steps` alone, so `--only-fit` repeats one.

After each fit every due step must be accounted for, in memory and on disk, with nothing left
running and the weights that training has without a callback. A rank is alone while events say
`peer_lost` or `ranks_out_of_step`; healing is how long it stays so after the fault that caused it
is over. Other traces of a fault must be gone soon after it, too. `longest hook` includes the time
that a rank was stopped in one. Ends with 1 if anything was unaccounted for or amiss.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from _fault_fits import FITS, ROWS, fits
from _faults import RANKS
from _ranks import launch
from _report import Goal, Report, options
from _stats import Estimate

from gramscope.events import Event
from gramscope.events.files import stem
from gramscope.events.matrix import MatrixError, read_matrix
from gramscope.monitor.recorder import _title
from gramscope.picture.renderer import Renderer

HEALING_S, SETTLED_S, HANG_S = 5.0, 10.0, 300.0
PICTURES = 20  # of each fit are drawn once more
LAG = 32
"""Steps by which an event may be older than the fault that strikes it: rows and pictures wait."""

Record = dict[str, Any]


def main() -> None:
    """Strike, check, print and write."""
    chosen = options(
        "faults",
        __doc__,
        ("--minutes", float, 60.0, 1.0, "after which no further fit begins"),
        ("--seed", int, 0, 0, "of all plans"),
        ("--steps", int, 900, 120, "of the longest fit"),
        ("--only-fit", int, 0, 0, "number of the one fit to run; 0: all"),
    )
    report = Report("faults", __doc__, chosen)
    seen = _Seen(report)
    with TemporaryDirectory(prefix="gramscope-bench-") as name:
        _strike(seen, name, chosen)
    if seen.fits:
        _show(report, seen)
    report.finish()
    sys.exit(bool(seen.amiss))


def _strike(seen: "_Seen", directory: str, chosen: argparse.Namespace) -> None:
    watch = _Watch(Path(directory), seen)
    watch.start()
    plan = (chosen.seed, chosen.minutes, chosen.steps, chosen.only_fit)
    try:
        launch(fits, directory, *plan, processes=RANKS)
    except Exception as error:  # a rank failed, or was ended because it hung
        seen.add(f"fit {len(seen.fits) + 1}: {error}")
    watch.stop()


class _Watch(threading.Thread):
    """Takes each fit when it has ended, and ends the ranks if none does."""

    def __init__(self, directory: Path, seen: "_Seen") -> None:
        super().__init__(daemon=True)
        self._directory, self._seen, self._over = directory, seen, threading.Event()
        self._taken = 0

    def run(self) -> None:
        deadline = time.monotonic() + HANG_S
        while not self._over.wait(0.2):
            if self._take():
                deadline = time.monotonic() + HANG_S
            if time.monotonic() > deadline:
                self._end_ranks()
                return

    def stop(self) -> None:
        self._over.set()
        self.join()
        self._take()

    def _take(self) -> bool:
        file = self._directory / FITS
        whole = file.read_text().split("\n")[:-1] if file.exists() else []
        new, self._taken = whole[self._taken :], len(whole)
        for line in new:
            record = json.loads(line)
            place = self._directory / f"fit{record['plan']['number']}"
            self._seen.take(record, place / "0" / "disk" / "gram")
            shutil.rmtree(place)
        return bool(new)

    def _end_ranks(self) -> None:
        ranks = multiprocessing.active_children()
        for rank in ranks:
            os.kill(rank.pid or 0, signal.SIGCONT)
            os.kill(rank.pid or 0, signal.SIGUSR1)
        time.sleep(2)
        for file in sorted(self._directory.glob("*.err")):
            self._seen.add(f"no fit ended within {HANG_S:g} s; {file.stem}:\n{file.read_text()}")
        for rank in ranks:
            rank.kill()


class _Seen:
    """All fits so far, and what was amiss."""

    def __init__(self, report: Report) -> None:
        self.fits: list[_Fit] = []
        self.amiss: list[str] = []
        self._report = report

    def take(self, record: Record, save_dir: Path) -> None:
        fit = _Fit(record, save_dir)
        self.fits.append(fit)
        amiss = list(fit.amiss())
        plan = fit.plan
        what = f"fit {plan['number']}: {plan['steps']} steps, {len(plan['strikes'])} faults, "
        self._report.note(f"{what}{plan['end']}; {_tally(fit.outcomes)}")
        for text in amiss:
            self.add(f"fit {plan['number']}: {text}")
        if amiss:
            self._report.note(json.dumps(plan))
            for rank, found in enumerate(fit.ranks):
                self._report.note(f"rank {rank} struck: {json.dumps(found['struck'])}")
                self._report.note("\n".join([f"rank {rank} said:", *found["said"]]))

    def add(self, text: str) -> None:
        self.amiss.append(text)
        self._report.note(f"AMISS: {text}")


class _Fit:
    """What became of one fit."""

    def __init__(self, record: Record, save_dir: Path) -> None:
        self.plan, self.ranks, self.save_dir = record["plan"], record["ranks"], save_dir
        self.root, self.outcomes = self.ranks[0], Counter(self.ranks[0]["outcomes"])
        self.steps: int = self.plan["steps"]
        self.unaccounted = self.steps - sum(self.outcomes.values())
        self.events = [_parsed(line) for line in self.root.get("lines", [])]
        ending = {"kind": self.plan["end"], "step": self.steps + 1, "ended": self.root["end"]}
        struck = [strike for rank in self.ranks for strike in rank["struck"]]
        self.strikes = sorted([*struck, ending], key=lambda strike: int(strike["step"]))
        self.outages = list(self._outages())

    def amiss(self) -> Iterator[str]:
        """What must not be."""
        if self.unaccounted:
            yield f"{self.unaccounted} due steps unaccounted for: {_tally(self.outcomes)}"
        yield from self._amiss_in_lines()
        for rank, found in enumerate(self.ranks):
            if (found["steps"], found["ended"]) != (self.steps, self.plan["end"]):
                yield f"rank {rank} did {found['steps']} steps and ended by {found['ended']}"
            if found["left"]:
                yield f"rank {rank} left {', '.join(found['left'])}"
        weights = {rank.get(key) for rank in self.ranks for key in ("weights", "control")} - {None}
        if len(weights) > 1:
            yield f"weights differ: {weights}"
        for strike, steps, seconds in self.outages:
            if seconds > HEALING_S:
                yield f"alone for {steps} steps, {seconds:.1f} s after {strike['kind']}"
        yield from self._lasting_traces()
        sample = self._sample()
        if wrong := [event["step"] for event in sample if not _shows(self.save_dir, event)]:
            yield f"the pictures of these steps show something else: {wrong}"

    def cause(self, step: int) -> Record:
        """The fault that an event's trouble is put down to."""
        before = [strike for strike in self.strikes if strike["step"] <= step + LAG]
        return before[-1] if before else {"kind": "none", "ended": 0.0}

    def _amiss_in_lines(self) -> Iterator[str]:
        counts = Counter(event["step"] for event in self.events)
        if twice := [step for step, count in counts.items() if count > 1]:
            yield f"events.jsonl has these steps again: {twice}"
        missing = [s for s in range(1, self.steps + 1) if s not in counts and not self._lost(s)]
        if missing:
            yield f"events.jsonl lacks these steps: {missing}"
        if unknown := [step for step in counts if not 0 < step <= self.steps]:
            yield f"events.jsonl has what is no due step: {unknown}"

    def _lost(self, step: int) -> bool:
        """Whether the account could not be written when this step's turn came."""
        return any(
            strike["written"] < step < (strike["lifted"] or self.steps + 1)
            for strike in self.strikes
            if "written" in strike
        )

    def _outages(self) -> Iterator[tuple[Record, int, float]]:
        """By its cause, for how many steps and seconds a rank stayed alone after it was over."""
        run: list[Record] = []
        for event in [*sorted(self.events, key=lambda e: int(e["step"])), None]:
            if event and _alone(event):
                run.append(event)
            elif run:
                strike = self.cause(run[0]["step"])
                after = [self._begun(e) - strike["ended"] for e in run]
                yield strike, sum(s > 0 for s in after), max(0.0, *after)
                run = []

    def _lasting_traces(self) -> Iterator[str]:
        for event in self.events:
            strikes = [s for s in self.strikes if s["step"] <= event["step"] + LAG]
            after = self._begun(event) - max((s["ended"] for s in strikes), default=0.0)
            if after > SETTLED_S and not _is_whole(event):
                what = f"step {event['step']} is {event['status']}, {event['n']} rows"
                yield f"{what}, {event['reason']}, {after:.1f} s after the last fault"

    def _sample(self) -> list[Record]:
        """Some events that have pictures of which nothing is missing."""
        whole = [event for event in self.events if _is_whole(event)]
        return whole[:: max(1, len(whole) // PICTURES)]

    def _begun(self, event: Record) -> float:
        return float(self.root["begun"][min(event["step"], self.steps) - 1])


def _parsed(line: str) -> Record:
    try:
        return dict(json.loads(line))
    except ValueError:
        return {"step": -1, "status": "unreadable", "reason": line, "n": 0}


def _shows(save_dir: Path, event: Record) -> bool:
    """Whether an event's picture is that of its matrix."""
    file = stem(save_dir, event["log_key"], event["step"])
    title = _title(Event.from_json(json.dumps(event)))
    try:
        matrix, kept = read_matrix(file.with_suffix(".npz")), file.with_suffix(".png").read_bytes()
    except (MatrixError, OSError):
        return False
    return kept == Renderer().png(matrix, title)


def _alone(event: Record) -> bool:
    reason = event["reason"] or ""
    return "peer_lost" in reason or "ranks_out_of_step" in reason


def _is_whole(event: Record) -> bool:
    return (event["status"], event["n"], event["reason"]) == ("logged", RANKS * ROWS, None)


def _tally(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counts.most_common()) or "–"


def _show(report: Report, seen: _Seen) -> None:
    report.table("faults", "by kind of fault", _kinds(seen.fits))
    outcomes = sum((fit.outcomes for fit in seen.fits), Counter[str]())
    unaccounted = sum(fit.unaccounted for fit in seen.fits)
    totals = {
        "fits": len(seen.fits),
        "steps": sum(fit.steps for fit in seen.fits),
        "logged": outcomes.pop("logged", 0),
        "skipped": _tally(outcomes),
        "unaccounted": unaccounted,
        "controls": sum(fit.plan["control"] for fit in seen.fits),
        "amiss": len(seen.amiss),
    }
    report.table("totals", "in all", [totals])
    report.table("resources", "after the first and the last fit", _resources(seen.fits))
    longest = max((o[2] for fit in seen.fits for o in fit.outages), default=0.0)
    report.goal(_goal("due steps unaccounted for", 0, unaccounted))
    report.goal(_goal("things amiss", 0, len(seen.amiss)))
    report.goal(_goal("longest healing", HEALING_S, longest, "s"))


def _kinds(fits_seen: list[_Fit]) -> list[Record]:
    struck = [strike for fit in fits_seen for strike in fit.strikes]
    strikes = Counter(strike["kind"] for strike in struck)
    missed = Counter(strike["kind"] for strike in struck if strike.get("hit") in ("", []))
    skipped: dict[str, Counter[str]] = defaultdict(Counter)
    outages: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for fit in fits_seen:
        for event in fit.events:
            if event["status"] != "logged":
                skipped[fit.cause(event["step"])["kind"]][event["reason"].split(";")[0]] += 1
        for strike, steps, seconds in fit.outages:
            outages[strike["kind"]].append((steps, seconds))
    return [
        {
            "fault": kind,
            "strikes": strikes[kind],
            "that_hit_nothing": missed[kind],
            "skipped": _tally(skipped[kind]),
            "outages": len(outages[kind]),
            "healing_steps": max((o[0] for o in outages[kind]), default=0),
            "healing_s": max((o[1] for o in outages[kind]), default=0.0),
        }
        for kind in sorted({*strikes, *skipped, *outages})
    ]


def _resources(fits_seen: list[_Fit]) -> list[Record]:
    rows = []
    for rank in range(RANKS):
        found = [fit.ranks[rank] for fit in fits_seen]
        growth = {
            f"{name},_{when}": found[place][name]
            for name in ("RSS_MB", "fds", "threads")
            for when, place in (("first", 0), ("last", -1))
        }
        hooks = max(each.get("max_ms", 0.0) for each in found)
        rows.append({"rank": str(rank), **growth, "longest_hook_ms": hooks})
    return rows


def _goal(figure: str, limit: float, value: float, unit: str = "") -> Goal:
    return Goal(figure, limit, Estimate(value, value, value, rounds=0), unit)


if __name__ == "__main__":
    main()
