"""What the installed plugin adds to the start of any Hydra application.

Two fresh environments hold what Hydra needs and are alike but for the wheel of this checkout. In
each round an application that does nothing starts once in each way, in random order; wall and CPU
time of the whole processes of a round are compared. `again` is a second start without the plugin:
what that seems to cost is the measurement's own error.

Exits with 1 if the plugin gives no presets there, or imports torch, numpy, Lightning, Matplotlib
or W&B, be they installed or not.
"""

from __future__ import annotations

import argparse
import random
import re
import resource
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from _report import Goal, Report, parser
from _startup_environment import build, environment
from _stats import Estimate, Spread, estimate

GOAL_S = 0.015
HEAVY = {"torch", "numpy", "pytorch_lightning", "lightning", "matplotlib", "wandb"}

HERE = Path(__file__).parent
OVERRIDES = (
    "hydra/job_logging=disabled",
    "hydra/hydra_logging=disabled",
    "hydra.run.dir=.",
    "hydra.output_subdir=null",
)
APPLICATION = (HERE / "_startup_app.py", *OVERRIDES)
PRESET = "+callbacks=gram_teacher"

_IMPORTED = re.compile(r"import time: +(\d+) \| +\d+ \| +(\S+)")


@dataclass(frozen=True)
class Arm:
    """One way to start."""

    name: str
    command: tuple[str | Path, ...]
    plugin: bool = True
    """Whether it starts where the plugin is installed."""
    against: str | None = None
    """What it is compared with."""


ARMS = (
    Arm("without", APPLICATION, plugin=False),
    Arm("again", APPLICATION, plugin=False, against="without"),
    Arm("with", APPLICATION, against="without"),
    Arm("preset used", (*APPLICATION, PRESET), against="with"),
    # As the console script does it.
    Arm("gramscope presets", ("-c", "from gramscope.cli import main; main()", "presets")),
)


@dataclass(frozen=True)
class Start:
    """One process, from its start to its end."""

    wall_s: float
    cpu_s: float
    out: str
    err: str


@dataclass
class Row:
    """All starts of one arm."""

    arm: str
    against: str | None
    wall_s: Spread
    cpu_s: Spread
    added_s: Estimate | None
    """Wall time less the other's in the same round, median over rounds."""
    added_cpu_s: Estimate | None
    """The same of CPU time, which suffers less from what else the machine does."""


@dataclass
class Part:
    """Of the plugin's import."""

    name: str
    self_s: Spread
    """Without what it imports in turn."""


def main() -> None:
    """Measure, print and write."""
    arguments = _arguments()
    report = Report("startup", arguments)
    report.note(", ".join(f"{name} {version(name)}" for name in ("hydra-core", "omegaconf")))
    with TemporaryDirectory(prefix="gramscope-bench-") as name:
        directory = Path(name)
        wheel = arguments.wheel or build(directory)
        without = environment(directory / "without")
        plugin = environment(directory / "with", wheel)
        _check(report, without, plugin)
        starts = _measure(without, plugin, arguments.pairs)
        _show(report, [_row(arm, starts) for arm in ARMS])
        _show_import(report, starts["with"], _parts(without, plugin, arguments.traces))
    report.finish()


def _arguments() -> argparse.Namespace:
    options = parser("startup", __doc__)
    options.add_argument("--pairs", type=int, help="rounds of starts (60)")
    options.add_argument("--traces", type=int, help="starts that time each module (10)")
    options.add_argument(
        "--wheel", type=Path, metavar="FILE", help="what is installed (this checkout, built)"
    )
    arguments = options.parse_args()
    quick = arguments.quick
    arguments.pairs = arguments.pairs or (2 if quick else 60)
    arguments.traces = arguments.traces or (2 if quick else 10)
    return arguments


def _start(interpreter: Path, *command: str | Path) -> Start:
    """Run out of reach of this environment's variables and paths."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    clock = time.perf_counter()
    done = subprocess.run(
        [interpreter, "-I", *command],
        cwd=interpreter.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    wall_s = time.perf_counter() - clock
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"scripts/bench startup: a start failed.\n{done.stdout}{done.stderr}")
    return Start(wall_s, sum(after[:2]) - sum(before[:2]), done.stdout, done.stderr)


def _check(report: Report, without: Path, plugin: Path) -> None:
    """End the benchmark where the plugin imports what it must not, or gives no presets."""
    usual = _asked(without)
    for preset in ((), (PRESET,)):
        imported = _asked(plugin, *preset) - usual
        if heavy := sorted(HEAVY & imported):
            raise SystemExit(f"scripts/bench startup: the plugin imports {', '.join(heavy)}.")
    report.note(f"neither the plugin nor {PRESET} imports {', '.join(sorted(HEAVY))}")
    report.keep("imported", sorted(imported))


def _asked(interpreter: Path, *overrides: str) -> set[str]:
    """Top-level modules that a start asks for, found or not."""
    start = _start(interpreter, HERE / "_startup_asked.py", *OVERRIDES, *overrides)
    return set(start.out.splitlines()[-1].split())


def _measure(without: Path, plugin: Path, pairs: int) -> dict[str, list[Start]]:
    """Start every arm once a round; the first round does not count."""
    starts: dict[str, list[Start]] = {arm.name: [] for arm in ARMS}
    order = random.Random(0)
    for _ in range(1 + pairs):
        for arm in order.sample(ARMS, len(ARMS)):
            start = _start(plugin if arm.plugin else without, *arm.command)
            starts[arm.name].append(start)
    return {name: mine[1:] for name, mine in starts.items()}


def _row(arm: Arm, starts: dict[str, list[Start]]) -> Row:
    wall_s = {name: [start.wall_s for start in mine] for name, mine in starts.items()}
    cpu_s = {name: [start.cpu_s for start in mine] for name, mine in starts.items()}
    name, other = arm.name, arm.against
    return Row(
        name,
        other,
        Spread.of(wall_s[name]),
        Spread.of(cpu_s[name]),
        _added(wall_s[name], wall_s[other]) if other else None,
        _added(cpu_s[name], cpu_s[other]) if other else None,
    )


def _added(mine: Sequence[float], other: Sequence[float]) -> Estimate:
    differences = [a - b for a, b in zip(mine, other, strict=True)]
    return estimate(differences, lambda chosen: float(np.median(chosen)))


def _show(report: Report, rows: list[Row]) -> None:
    report.table(
        "Start to end of the process, ms: median [p5 – p95]; `added`: difference within a round, "
        "median of rounds (95 % interval)",
        ["start", "wall", "min", "CPU", "against", "added", "added CPU"],
        [
            (
                row.arm,
                row.wall_s.text(1e3),
                f"{1e3 * row.wall_s.min:.4g}",
                row.cpu_s.text(1e3),
                row.against or "",
                row.added_s.text(1e3) if row.added_s else "",
                row.added_cpu_s.text(1e3) if row.added_cpu_s else "",
            )
            for row in rows
        ],
    )
    report.keep("starts", rows)
    (added_s,) = (row.added_s for row in rows if row.arm == "with")
    assert added_s is not None
    figure = "time added to a Hydra application's start"
    report.goal(Goal(figure, 1e3 * GOAL_S, added_s.times(1e3), "ms"))


def _parts(without: Path, plugin: Path, traces: int) -> list[Part]:
    """Time each module that is imported on the plugin's behalf only, and what else it does."""
    usual = _modules(_start(without, "-X", "importtime", *APPLICATION)).keys()
    self_s: dict[str, list[float]] = {}
    for _ in range(traces):
        start = _start(plugin, "-X", "importtime", *APPLICATION)
        mine = {name: s for name, s in _modules(start).items() if name not in usual}
        mine["filling the store"] = _import_s(start) - sum(mine.values())
        for name, seconds in mine.items():
            self_s.setdefault(name, []).append(seconds)
    return [Part(name, Spread.of(samples)) for name, samples in self_s.items()]


def _modules(start: Start) -> dict[str, float]:
    """Seconds of each module that `-X importtime` lists, without what it imports in turn."""
    return {name: 1e-6 * int(us) for us, name in _IMPORTED.findall(start.err)}


def _import_s(start: Start) -> float:
    """What the application said."""
    return float(start.out)


def _show_import(report: Report, starts: list[Start], parts: list[Part]) -> None:
    import_s = Spread.of([_import_s(start) for start in starts])
    report.table(
        "Of that, the plugin's import as Hydra's scan times it, and (in other starts, slowed by "
        "`-X importtime`) its parts, ms: median [p5 – p95]",
        ["part", "time"],
        [
            ("whole import", import_s.text(1e3)),
            *((part.name, part.self_s.text(1e3)) for part in parts),
        ],
    )
    report.note("Beyond the import: Hydra copies its whole store whenever it composes.")
    report.keep("import_s", import_s)
    report.keep("parts", parts)


if __name__ == "__main__":
    main()
