"""What the installed plugin adds to the start of any Hydra application.

Two fresh environments hold what Hydra needs, nothing of the checkout, and are alike but for the
wheel. In each round an application that does nothing starts once in each way, in random order;
wall and CPU time of the whole processes of a round are compared. `again` is a second start without
the plugin: what that seems to cost is the measurement's own error. `import` is what Hydra's plugin
scan says of ours.

Exits with 1 if the plugin gives no presets there, or imports torch, numpy, Lightning, Matplotlib
or W&B, be they installed or not.
"""

import random
import resource
import shutil
import subprocess
import sys
import time
import venv
from importlib.metadata import distribution
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from _report import Goal, Report, options
from _stats import Estimate, Spread, estimate
from packaging.requirements import Requirement

GOAL_MS = 15.0
HEAVY = {"torch", "numpy", "pytorch_lightning", "lightning", "matplotlib", "wandb"}

HERE = Path(__file__).resolve().parent
OVERRIDES = (
    "hydra/job_logging=disabled",
    "hydra/hydra_logging=disabled",
    "hydra.run.dir=.",
    "hydra.output_subdir=null",
)
APPLICATION = (HERE / "_startup_app.py", *OVERRIDES)
PRESET = "+callbacks=gram_teacher"


class Arm(NamedTuple):
    """One way to start, where the plugin is installed or not, and what it is compared with."""

    name: str
    command: tuple[str | Path, ...]
    plugin: bool = True
    against: str = ""


ARMS = (
    Arm("without", APPLICATION, plugin=False),
    Arm("again", APPLICATION, plugin=False, against="without"),
    Arm("with", APPLICATION, against="without"),
    Arm("preset used", (*APPLICATION, PRESET), against="with"),
    # As the console script does it.
    Arm("gramscope presets", ("-c", "from gramscope.cli import main; main()", "presets")),
)


def main() -> None:
    """Measure, print and write."""
    chosen = options(
        "startup",
        __doc__,
        ("--pairs", int, 60, 2, "rounds of starts"),
        ("--wheel", Path, None, None, "what is installed instead of this checkout"),
    )
    report = Report("startup", __doc__, chosen)
    with TemporaryDirectory(prefix="gramscope-bench-") as name:
        without = _environment(Path(name, "without"))
        plugin = _environment(Path(name, "with"), chosen.wheel or _build(Path(name)))
        usual = _asked(without)
        for preset in ((), (PRESET,)):
            asked = _asked(plugin, *preset) - usual
            if heavy := sorted(HEAVY & asked):
                raise SystemExit(f"scripts/bench startup: the plugin imports {', '.join(heavy)}.")
            report.note(f"{' '.join(['the plugin', *preset])} imports {', '.join(sorted(asked))}")
        _show(report, _measure(without, plugin, chosen.pairs))
    report.finish()


def _run(interpreter: str | Path, *command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [interpreter, *command], cwd=cwd, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"scripts/bench startup: a process failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _build(directory: Path) -> Path:
    """Build the wheel of this checkout."""
    options = ("build", "-t", "wheel", "-d", directory)
    _run(sys.executable, "-m", "hatchling", *options, cwd=HERE.parents[1])
    (wheel,) = directory.glob("*.whl")
    return wheel


def _environment(directory: Path, wheel: Path | None = None) -> Path:
    """Make an environment with Hydra, and a wheel, if any; return its interpreter."""
    venv.create(directory, symlinks=True)
    (site,) = directory.glob("lib/python*/site-packages")
    _copy("hydra-core", site)
    if wheel is not None:
        shutil.unpack_archive(wheel, site, "zip")
    interpreter = directory / "bin" / "python"
    _start(interpreter, "-m", "compileall", "-q", site)  # none while a start is timed
    return interpreter


def _copy(name: str, site: Path) -> None:
    """Copy a distribution and all that it requires, as installed here, but no scripts."""
    source = distribution(name)
    for file in source.files or ():
        if ".." not in file.parts and file.suffix != ".pyc":
            target = site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(file.locate()), target)
    for needed in map(Requirement, source.requires or ()):
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            _copy(needed.name, site)


def _asked(interpreter: Path, *overrides: str) -> set[str]:
    """Top-level modules that a start asks for, found or not."""
    out, *_ = _start(interpreter, HERE / "_startup_asked.py", *OVERRIDES, *overrides)
    return set(out.splitlines()[-1].split())


def _start(interpreter: Path, *command: str | Path) -> tuple[str, float, float]:
    """Run out of reach of this environment's variables; output, and wall and CPU time in ms."""
    clock, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    out = _run(interpreter, "-I", *command, cwd=interpreter.parent)
    wall_s, after = time.perf_counter() - clock, resource.getrusage(resource.RUSAGE_CHILDREN)
    return out, 1e3 * wall_s, 1e3 * (sum(after[:2]) - sum(before[:2]))


def _measure(without: Path, plugin: Path, pairs: int) -> dict[str, np.ndarray]:
    """By arm ``[pairs, 3]`` ms: what the application said, wall and CPU time."""
    starts: dict[str, list[list[float]]] = {arm.name: [] for arm in ARMS}
    order = random.Random(0)
    for _ in range(1 + pairs):
        for arm in order.sample(ARMS, len(ARMS)):
            out, *times = _start(plugin if arm.plugin else without, *arm.command)
            said = 1e3 * float(out) if arm.command[: len(APPLICATION)] == APPLICATION else np.nan
            starts[arm.name].append([said, *times])
    return {name: np.array(mine[1:]) for name, mine in starts.items()}  # the first is to warm up


def _show(report: Report, starts: dict[str, np.ndarray]) -> None:
    rows = {}
    for arm in ARMS:
        added: list[Estimate | None] = [None, None]
        if arm.against:
            added = [estimate(ms) for ms in (starts[arm.name] - starts[arm.against]).T[1:]]
        import_ms, wall_ms, cpu_ms = map(Spread.of, starts[arm.name].T)
        rows[arm.name] = {
            "start": arm.name,
            "wall_ms": wall_ms,
            "min_ms": wall_ms.min,
            "CPU_ms": cpu_ms,
            "against": arm.against,
            "added_ms": added[0],
            "added_CPU_ms": added[1],
            "import_ms": import_ms if np.isfinite(import_ms.median) else None,
        }
    title = "start to end of the process; `added`: difference within a round, median of rounds"
    report.table("starts", title, list(rows.values()))
    figure = "time added to a Hydra application's start"
    report.goal(Goal(figure, GOAL_MS, rows["with"]["added_ms"], "ms"))


if __name__ == "__main__":
    main()
