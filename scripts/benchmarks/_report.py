"""What every benchmark prints and writes: circumstances, tables, figures against their goals."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from _machine import Load, circumstances
from _stats import Estimate, number
from rich import box
from rich.console import Console
from rich.table import Table

_BUSY_CORES = 0.1


@dataclasses.dataclass(frozen=True)
class Goal:
    """A figure that was to be at most ``limit``."""

    figure: str
    limit: float
    measured: Estimate
    unit: str = ""
    indistinct: bool = False
    """Whether it need not be at most ``limit``, but not distinguishable from it."""

    def verdict(self) -> str:
        """``reached``, ``missed by …``, or that the measurement does not tell."""
        value, low, high = self.measured.value, self.measured.low, self.measured.high
        if self.measured.rounds == 1:
            return "no verdict from a single repeat"
        if self.indistinct and low <= self.limit <= high:
            return f"reached; more than {number(high)} {self.unit} is ruled out"
        if self.indistinct and high < self.limit:
            return "open: better than possible, so too few repeats or too much disturbance"
        if high <= self.limit:
            return "reached"
        if low <= self.limit:
            return "open: the goal lies within the interval"
        factor = f", {value / self.limit:.3g} times the goal" if self.limit else ""
        return f"missed by {number(value - self.limit)} {self.unit}".rstrip() + factor

    def __str__(self) -> str:
        relation = "not distinguishable from" if self.indistinct else "≤"
        limit = f"{relation} {number(self.limit)} {self.unit}".rstrip()
        return f"{self.figure}: {self.measured} {self.unit}".rstrip() + f", goal {limit}"


class Report:
    """Prints while it goes, and writes what it has printed as JSON at the end."""

    def __init__(self, name: str, about: str | None, options: argparse.Namespace) -> None:
        self._file, self._quick, self._load = Path(options.json), options.quick, Load()
        self._tables: dict[str, list[dict[str, Any]]] = {}
        self._goals: list[dict[str, Any]] = []
        settings = {k: v for k, v in vars(options).items() if k not in ("json", "quick")}
        head = {**circumstances(), "settings": settings}
        self._head = {"benchmark": name, "quick": self._quick, **head}
        for key, values in head.items():
            print(f"{key}:", ", ".join(f"{k} {_plain(v)}" for k, v in values.items()))
        print("reading: median [5 – 95 % of samples]; estimate (95 % interval, rounds resampled)")
        if self._quick:
            print("quick: shows that everything runs; too few repeats for any conclusion")
        print(f"\n{about}")

    def note(self, text: str) -> None:
        """Print what a reader must know of the figures above."""
        print(f"  {text}", flush=True)

    def table(self, key: str, title: str, rows: Sequence[dict[str, Any]]) -> None:
        """Print rows, and add them to the results under a key that other tables may share.

        Each has, by column, a `Spread`, an `Estimate`, a number, text or ``None``.
        """
        self._tables.setdefault(key, []).extend(rows)
        table = Table(box=box.MARKDOWN)
        for name in rows[0]:
            is_text = any(isinstance(row[name], str) for row in rows)
            table.add_column(name.replace("_", " "), justify="left" if is_text else "right")
        for row in rows:
            table.add_row(*map(_cell, row.values()))
        print(f"\n{title}", flush=True)
        Console(width=200, markup=False, highlight=False).print(table)

    def goal(self, goal: Goal) -> None:
        """Print a figure beside its goal."""
        verdict = "no verdict from a quick run" if self._quick else goal.verdict()
        if goal.measured.rounds and not self._quick and (busy := self._busy()):
            verdict += f"; doubtful, because {busy}"
        self.note(f"goal: {goal}: {verdict}")
        self._goals.append({**dataclasses.asdict(goal), "verdict": verdict})

    def finish(self) -> None:
        """Say how busy the machine was, and write the JSON."""
        if busy := self._busy():
            print(f"\nnote: {busy}; repeat this on a quiet machine before relying on it")
        document = {
            **self._head,
            "others_busy_cores": self._load.others(),
            "results": self._tables,
            "goals": self._goals,
        }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(document, default=_as_json, indent=1) + "\n")
        print(f"\nwritten: {self._file}")

    def _busy(self) -> str:
        others = self._load.others() or 0.0
        busy = others > _BUSY_CORES
        return f"other processes kept {others:.2f} cores busy meanwhile" if busy else ""


def options(name: str, about: str | None, *rows: tuple[Any, ...]) -> argparse.Namespace:
    """Read the command line of a benchmark.

    Rows are options: name, what reads it, its default, that of a smoke run, and help.
    """
    parser = argparse.ArgumentParser(
        prog=f"scripts/bench {name}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--json", default=f"outputs/bench/{name}.json", metavar="FILE", help="what is written")
    add("--quick", action="store_true", help="a smoke run: hardly any repeats")
    for flag, read, full, quick, text in rows:
        default = quick if "--quick" in sys.argv else full
        add(flag, type=read, default=default, metavar="…", help=f"{text} ({default})")
    return parser.parse_args()


def numbers(text: str) -> list[int]:
    """``64,128`` as whole numbers, once each."""
    return list(dict.fromkeys(map(int, text.split(","))))


def sizes(text: str) -> list[tuple[int, int]]:
    """``128x192,512x768`` as pairs of whole numbers."""
    return [(int(n), int(d)) for n, d in (part.split("x") for part in text.split(","))]


def some_of(*known: str) -> Callable[[str], list[str]]:
    """Reads some of these names, with commas between."""

    def read(text: str) -> list[str]:
        if unknown := set(text.split(",")) - set(known):
            raise argparse.ArgumentTypeError(f"expected {', '.join(known)}, got {unknown.pop()!r}")
        return text.split(",")

    return read


def _plain(value: object) -> str:
    inner = {list: ",", tuple: "x"}.get(type(value))
    return inner.join(map(_plain, value)) if inner else str(value)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    return number(value) if isinstance(value, float) else str(value)


def _as_json(value: Any) -> object:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else str(value)
