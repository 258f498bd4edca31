"""How often the diagnosis is right, and how early, in trainings whose fate is known.

Small self-supervised trainings, whole and broken on purpose, by seven methods with four encoders on
two data sets, and the bundled job. A training is damaged from the first step on at which k-NN on
images that were not trained on is more than 0.03 below the lowest healthy seed, three probes in a
row. Thresholds were chosen by other trainings: the reported ones have other seeds throughout, and a
data set, an encoder and two methods that were not among those; what they showed was mended later,
see docs/diagnosis.md. What is there already is not trained again, so that an interrupted benchmark
goes on.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from _report import Report, options, some_of
from zoo import plan
from zoo.job import JOB
from zoo.judging import Verdict, read, read_verdicts, verdicts, write
from zoo.tables import by_fault, by_name, by_watcher, judged

ZOO = Path(__file__).parent / "zoo"
SHOWN = "no_centring_no_koleo"
"""What is broken in the training of the bundled job that is drawn."""
KEPT = ZOO / "verdicts.csv"
"""The verdicts that documents speak of."""


def main() -> None:
    """Train what is missing, judge, print and write."""
    chosen = options(
        "diagnosis",
        __doc__,
        (
            "--runs",
            some_of("reported", "chosen_by", "fresh", "kept"),
            ["reported"],
            ["kept"],
            "which",
        ),
        ("--out", Path, Path("outputs/zoo"), Path("outputs/zoo"), "where runs are kept"),
        ("--jobs", int, 2, 1, "trainings at a time"),
        ("--verdicts", Path, None, None, "a file that receives the verdicts"),
        ("--picture", Path, None, None, "a file that receives a picture of them, of reported runs"),
    )
    report = Report("diagnosis", __doc__, chosen)
    for which in chosen.runs:
        found = read_verdicts(KEPT) if which == "kept" else _made(which, chosen.out, chosen.jobs)
        if chosen.verdicts:
            write(chosen.verdicts, found)
        _tell(report, which, found)
        if chosen.picture:
            _draw(chosen.out, found, chosen.picture)
    report.finish()


def _draw(out: Path, found: Sequence[Verdict], path: Path) -> None:
    from zoo.picture import draw

    well, broken = (read(out / f"{JOB}-{of}.json") for of in ("healthy-100", f"{SHOWN}-200"))
    draw(well, broken, judged(found)[0], path)


def _made(which: str, out: Path, jobs: int) -> list[Verdict]:
    names = getattr(plan, which.upper())
    missing = [name for name in names if not (out / f"{name}.json").exists()]
    if missing:
        _train(missing, out, jobs)
    return verdicts([read(out / f"{name}.json") for name in names])


def _train(names: Sequence[str], out: Path, jobs: int) -> None:
    """One multirun of Hydra; its own outputs are of no further use."""
    several = ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={jobs}"]
    command = [sys.executable, str(ZOO / "run.py"), "-m", *several, f"run={','.join(names)}"]
    command += [f"out={out.absolute()}", f"hydra.sweep.dir={out.absolute() / 'sweep'}"]
    subprocess.run(command, check=True)


def _tell(report: Report, which: str, found: Sequence[Verdict]) -> None:
    counted, left_out = judged(found)
    of = f"{which}: {len(counted)} trainings"
    report.table(f"{which}_watchers", f"{of}, by who watches", by_watcher(counted))
    report.table(f"{which}_faults", f"{of}, by what was wrong", by_fault(counted))
    report.table(f"{which}_names", f"{of}, by what the first alarm was called", by_name(counted))
    for cell in left_out:
        report.note(f"left out, because healthy seeds end below random weights: {cell}")


if __name__ == "__main__":
    main()
