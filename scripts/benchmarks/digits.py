"""What the numbers look like in runs that are well, and in runs that are damaged on purpose.

Small convolutional encoders with a projection head of width 64 learn scikit-learn's digits, 128
images a step: by whole methods, and by methods with a part taken out. PR is `participation_ratio`,
ER `effective_rank`, both of at most 64. Numbers are of the features that the loss saw at a step, of
64 images with both views; step 1 is random weights. k-NN is the accuracy that the backbone gives on
images that were not trained on. A dash: not every seed has the number.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import torch
from _course import Course
from _digits import Digits
from _digits_runs import Moment, moments
from _encoders import pooled, signed
from _joint_embedding import METHODS
from _report import Report, options
from torch import nn

Column = Callable[[Moment], float | None]


@dataclass(frozen=True)
class Study:
    """One table: who learns by what, and what is looked at when."""

    about: str
    encoder: Callable[[], nn.Module]
    methods: list[str]
    steps: tuple[int, ...]
    columns: dict[str, Column]

    def until(self, last: int) -> list[int]:
        """The steps looked at, of which none is beyond ``last``."""
        end = min(last, self.steps[-1])
        return [*(step for step in self.steps if step < end), end]


def _head(name: str) -> Column:
    return lambda moment: moment.head.get(name)


STUDIES = {
    "collapse": Study(
        "collapse: features before the head are never negative",
        pooled,
        list(METHODS)[:7],
        (1, 50, 100, 400),
        {
            "head spread": _head("spread"),
            "head PR": _head("participation_ratio"),
            "head ER": _head("effective_rank"),
            "backbone ER": lambda moment: moment.backbone.get("effective_rank"),
            "k-NN": lambda moment: moment.accuracy,
        },
    ),
    "views": Study(
        "what views have in common behind the head: features before it are of either sign",
        signed,
        list(METHODS),
        (1, 50, 100, 200, 300),
        {
            "view_correlation": _head("view_correlation"),
            "shared_rank": _head("shared_rank"),
            "view_cka": _head("view_cka"),
            "k-NN": lambda moment: moment.accuracy,
        },
    ),
}


def main() -> None:
    """Learn, print and write."""
    chosen = options(
        "digits",
        __doc__,
        ("--seeds", int, 1, 1, "runs of each method"),
        ("--steps", int, 400, 2, "where runs end at the latest"),
    )
    torch.set_num_threads(1)
    report = Report("digits", __doc__, chosen)
    report.note(f"scikit-learn {version('scikit-learn')}")
    for key, study in STUDIES.items():
        _tell(report, key, study, chosen)
    report.finish()


def _tell(report: Report, key: str, study: Study, chosen: argparse.Namespace) -> None:
    steps = study.until(chosen.steps)
    courses = _courses(study, steps, chosen.seeds)
    shown = " / ".join(map(str, steps))
    report.table(key, f"{study.about}; steps {shown}", _rows(courses, lambda course: course))
    if chosen.seeds > 1:
        ends = _rows(courses, Course.last)
        report.table(f"{key}_range", f"lowest and highest of the seeds at step {steps[-1]}", ends)


def _courses(study: Study, steps: list[int], seeds: int) -> dict[str, dict[str, Course]]:
    """By method and column."""
    digits, found = Digits(), {}
    for name in study.methods:
        runs = [moments(digits, study.encoder, METHODS[name], s, steps) for s in range(seeds)]
        at_steps = list(zip(*runs, strict=True))
        found[name] = {
            column: Course([[read(run) for run in step] for step in at_steps])
            for column, read in study.columns.items()
        }
    return found


def _rows(
    courses: dict[str, dict[str, Course]], shown: Callable[[Course], object]
) -> list[dict[str, object]]:
    return [
        {"run": name, **{column: shown(course) for column, course in columns.items()}}
        for name, columns in courses.items()
    ]


if __name__ == "__main__":
    main()
