"""Which trainings there are: some to choose thresholds by, others to report, and fresh ones.

What is reported has other seeds throughout; a data set, an encoder and two methods are in it for
the first time. It was first looked at when thresholds had been chosen, and fresh ones when what
that had shown was mended; docs/diagnosis.md has both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from zoo.faults import FAULTS, faults_of
from zoo.job import FAULTS_OF_JOB, JOB

__all__ = ["CHOSEN_BY", "FRESH", "REPORTED"]

_CHOSEN_BY = (
    *("mnist-pooled-simclr", "mnist-pooled-simsiam", "mnist-pooled-vicreg", "mnist-signed-dino"),
    *("mnist-signed-simsiam", "mnist-signed-vicreg", "mnist-signed-byol"),
    *("mnist-transformer-simclr", "mnist-transformer-simsiam"),
    *("mnist-transformer-byol", "mnist-transformer-dino"),
)
_REPORTED = (
    *("photographs-pooled-vicreg", "photographs-pooled-swav"),
    *("photographs-signed-simclr", "photographs-signed-byol", "photographs-signed-barlow"),
    *("photographs-transformer-simclr", "photographs-transformer-dino"),
    *("photographs-residual-simclr", "photographs-residual-vicreg"),
    *("mnist-pooled-simclr", "mnist-pooled-barlow", "mnist-signed-simsiam", "mnist-signed-swav"),
    *("mnist-transformer-byol", "mnist-residual-dino", "mnist-residual-byol"),
)


_FRESH = (
    *("photographs-residual-barlow", "photographs-transformer-byol", "photographs-signed-swav"),
    *("photographs-residual-byol", "photographs-signed-dino", "mnist-transformer-vicreg"),
    *("mnist-residual-simclr", "mnist-residual-barlow", "mnist-transformer-barlow"),
)
_FRESH_FAULTS = ("rate_x100", "duplicated", "no_predictor", "no_decorrelation", "no_variance")
_FRESH_FAULTS += ("no_covariance", "teacher_too_hot", "too_hot", "unbalanced")


def _runs(cell: str, faults: Iterable[str], healthy: range, broken: int) -> list[str]:
    runs = [f"{cell}-healthy-{seed}" for seed in healthy]
    return runs + [f"{cell}-{fault}-{broken}" for fault in faults if fault != "healthy"]


def _all(
    cells: tuple[str, ...], healthy: range, broken: int, only: Collection[str] = FAULTS
) -> list[str]:
    of = ((cell, faults_of(cell.rpartition("-")[2])) for cell in cells)
    runs = (_runs(cell, [f for f in faults if f in only], healthy, broken) for cell, faults in of)
    return [run for some in runs for run in some]


CHOSEN_BY = _all(_CHOSEN_BY, range(3), 0)
REPORTED = _all(_REPORTED, range(100, 110), 200) + _runs(JOB, FAULTS_OF_JOB, range(100, 105), 200)
FRESH = _all(_FRESH, range(300, 304), 400, _FRESH_FAULTS)
