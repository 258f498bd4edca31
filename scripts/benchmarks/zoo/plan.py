"""Which trainings there are: some to choose thresholds by, and others to report.

What is reported has other seeds throughout, and was not looked at before thresholds were fixed: a
data set, an encoder and two methods are in it for the first time.
"""

from __future__ import annotations

from collections.abc import Iterable

from zoo.faults import faults_of
from zoo.job import FAULTS_OF_JOB, JOB

__all__ = ["CHOSEN_BY", "REPORTED"]

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


def _runs(cell: str, faults: Iterable[str], healthy: range, broken: int) -> list[str]:
    runs = [f"{cell}-healthy-{seed}" for seed in healthy]
    return runs + [f"{cell}-{fault}-{broken}" for fault in faults if fault != "healthy"]


def _all(cells: tuple[str, ...], healthy: range, broken: int) -> list[str]:
    of = ((cell, faults_of(cell.rpartition("-")[2])) for cell in cells)
    return [run for cell, faults in of for run in _runs(cell, faults, healthy, broken)]


CHOSEN_BY = _all(_CHOSEN_BY, range(3), 0)
REPORTED = _all(_REPORTED, range(100, 110), 200) + _runs(JOB, FAULTS_OF_JOB, range(100, 105), 200)
