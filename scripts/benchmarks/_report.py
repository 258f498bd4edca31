"""What every benchmark prints and writes: circumstances, tables, figures against their goals."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _machine import Load, machine, versions
from _stats import Estimate

__all__ = ["Goal", "Report", "parser", "sizes"]

_BUSY_CORES = 0.1


@dataclass(frozen=True)
class Goal:
    """A figure that was to be at most ``limit``."""

    figure: str
    limit: float
    measured: Estimate
    unit: str = ""
    as_fraction: bool = False
    """Whether figures below one read ``1/2000``."""
    indistinct: bool = False
    """Whether it need not be at most ``limit``, but not distinguishable from it."""

    def verdict(self) -> str:
        """``reached``, ``missed by …``, or that the measurement does not tell."""
        low, high = self.measured.low, self.measured.high
        if self.measured.groups == 1:
            return "no verdict from a single repeat"
        if self.indistinct and low <= self.limit <= high:
            return f"reached; more than {self._number(high)} is ruled out"
        if self.indistinct and high < self.limit:
            return "open: better than possible, so too few repeats or too much disturbance"
        if high <= self.limit:
            return "reached"
        if low <= self.limit:
            return "open: the goal lies within the interval"
        excess = self._number(self.measured.value - self.limit)
        if not self.limit:
            return f"missed by {excess}"
        factor = f"{self.measured.value / self.limit:.3g} times the goal"
        return f"missed: {factor}" if self.as_fraction else f"missed by {excess}, {factor}"

    def line(self) -> str:
        """Figure, measurement, interval and goal."""
        value = self._number(self.measured.value)
        interval = ""
        if self.measured.groups > 1:
            ends = [self._number(v) for v in (self.measured.low, self.measured.high)]
            interval = f" (95 % interval {ends[0]} … {ends[1]})"
        goal = f"not distinguishable from {self._number(self.limit)}"
        if not self.indistinct:
            goal = f"≤ {self._number(self.limit)}"
        return f"{self.figure}: {value}{interval}, goal {goal}"

    def _number(self, value: float) -> str:
        if self.as_fraction and 0 < value < 1:
            return f"1/{1 / value:.4g}"
        return f"{value:.3g} {self.unit}".rstrip()


class Report:
    """Prints while it goes and writes everything as JSON at the end.

    Args:
        name: Of the benchmark.
        arguments: Its options; see `parser`.
    """

    def __init__(self, name: str, arguments: argparse.Namespace) -> None:
        self._name = name
        self._file: Path = arguments.json
        self._quick: bool = arguments.quick
        self._load = Load()
        self._settings = {k: v for k, v in vars(arguments).items() if k not in ("json", "quick")}
        self._machine, self._versions = machine(), versions()
        self._results: dict[str, Any] = {}
        self._goals: list[dict[str, Any]] = []
        print(f"machine: {self._machine['cpu']}, {self._machine['cores']} cores")
        print("versions:", ", ".join(f"{k} {v}" for k, v in self._versions.items()))
        print("settings:", ", ".join(f"{k} {_plain(v)}" for k, v in self._settings.items()))
        if self._quick:
            print("quick: shows that everything runs; too few repeats for any conclusion")

    def section(self, text: str) -> None:
        """Print what comes next and how it is measured.

        Args:
            text: Some sentences.
        """
        print("", *textwrap.wrap(text, 100), sep="\n", flush=True)

    def note(self, text: str) -> None:
        """Print how something was measured, or what a reader must know.

        Args:
            text: A sentence or more.
        """
        print(f"  {text}", flush=True)

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print a table.

        Args:
            title: Above it.
            columns: Their heads.
            rows: As many cells as there are columns, each.
        """
        cells = [list(columns), *([str(cell) for cell in row] for row in rows)]
        widths, texts = [], []
        for head, *column in zip(*cells, strict=True):
            widths.append(max(map(len, (head, *column))))
            texts.append(not any(cell[:1].isdigit() for cell in column))
        print(f"\n{title}")
        for number, row in enumerate(cells):
            aligned = [
                cell.ljust(width) if is_text else cell.rjust(width)
                for cell, width, is_text in zip(row, widths, texts, strict=True)
            ]
            print("  " + "  ".join(aligned).rstrip())
            if number == 0:
                print("  " + "  ".join("-" * width for width in widths))
        sys.stdout.flush()

    def keep(self, key: str, value: object) -> None:
        """Put something into the JSON.

        Args:
            key: Its name there.
            value: Dataclasses, mappings, sequences and numbers.
        """
        self._results[key] = value

    def goal(self, goal: Goal) -> None:
        """Print a figure beside its goal.

        Args:
            goal: Both.
        """
        verdict = "no verdict from a quick run" if self._quick else goal.verdict()
        others = self._load.others()
        if goal.measured.groups and not self._quick and others and others > _BUSY_CORES:
            verdict += f"; doubtful, because others kept {others:.2f} cores busy"
        print(f"  goal: {goal.line()}: {verdict}", flush=True)
        self._goals.append(
            {
                "figure": goal.figure,
                "limit": goal.limit,
                "unit": goal.unit,
                "measured": goal.measured,
                "verdict": verdict,
            }
        )

    def finish(self) -> None:
        """Say how busy the machine was, and write the JSON."""
        others = self._load.others()
        if others is not None and others > _BUSY_CORES:
            print(
                f"\nnote: other processes kept {others:.2f} cores busy meanwhile; "
                "repeat this on a quiet machine before relying on it"
            )
        document = {
            "benchmark": self._name,
            "quick": self._quick,
            "machine": self._machine,
            "versions": self._versions,
            "settings": self._settings,
            "others_busy_cores": others,
            "results": self._results,
            "goals": self._goals,
        }
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(document, default=_as_json, indent=1) + "\n")
        print(f"\nwritten: {self._file}")


def parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """A parser with the options that all benchmarks have.

    Args:
        name: Of the benchmark.
        description: Its module's docstring.
    """
    made = argparse.ArgumentParser(
        prog=f"scripts/bench {name}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--json",
        type=Path,
        default=Path("outputs", "bench", f"{name}.json"),
        metavar="FILE",
        help="where everything measured is written (default: %(default)s)",
    )
    made.add_argument(
        "--quick", action="store_true", help="a smoke run: everything, but hardly repeated"
    )
    return made


def sizes(text: str) -> list[tuple[int, int]]:
    """``128x192,512x768`` as pairs of whole numbers.

    Args:
        text: What was given on the command line.
    """
    pairs = [tuple(map(int, part.split("x"))) for part in text.split(",")]
    if any(len(pair) != 2 or min(pair) < 1 for pair in pairs):
        raise argparse.ArgumentTypeError(f"expected sizes such as 128x192,512x768, got {text!r}")
    return [(n, d) for n, d in pairs]


def _plain(value: object) -> str:
    if isinstance(value, (list, tuple)):
        inner = "x" if isinstance(value, tuple) else ","
        return inner.join(map(_plain, value))
    return str(value)


def _as_json(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
