"""From the rows of a step to its matrix and its numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import reduce
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gramscope import metrics
from gramscope.diagnosis import NUMBERS
from gramscope.events import Matrix
from gramscope.events.matrix import OfRole
from gramscope.metrics.batch import Batch
from gramscope.metrics.roles import joint
from gramscope.metrics.standard import measured, wanted
from gramscope.monitor.due_step import DueStep
from gramscope.monitor.identity import Known

__all__ = ["Measured", "measure"]


class Measured(NamedTuple):
    """What there is to say of an event."""

    rows: int
    """How many of them all that is said is of: those that are finite."""
    matrix: Matrix | None
    """``None`` where none is to be drawn, or there are no such rows."""
    numbers: dict[str, float]
    """Those that have a value, by name: ``<role>/<name>`` where features have roles."""
    absent: dict[str, list[str]]
    """Those that have none, by why."""


def measure(due: DueStep, features: Mapping[str, Tensor], identity: Known) -> Measured:
    """Measure what the step's monitor asks for.

    Args:
        due: The step, as rank 0 has it.
        features: By role, ``[N, D]`` float32 or float64, the rows of all ranks.
        identity: Who they are.
    """
    batches = {
        role: Batch(
            rows,
            sample=identity.sample,
            view=identity.view,
            label=identity.classes,
            alike=due.alike,
        )
        for role, rows in features.items()
    }
    there = {role: batch for role, batch in batches.items() if len(batch.rows)}
    if not there:
        return Measured(0, None, {}, {})
    finite = reduce(torch.logical_and, (batch.finite for batch in there.values()))
    if not finite.any():
        there = dict([next(iter(there.items()))])
        finite = next(iter(there.values())).finite
    numbers, absent = _numbers(due, batches)
    matrix = _matrix(due, there, finite, identity.of(finite)) if due.draw else None
    return Measured(int(finite.sum()), matrix, numbers, absent)


def _numbers(
    due: DueStep, batches: Mapping[str, Batch]
) -> tuple[dict[str, float], dict[str, list[str]]]:
    numbers: dict[str, float] = {}
    absent: dict[str, list[str]] = defaultdict(list)
    asked = wanted(due.channel.metrics)
    for role, batch in batches.items():
        values, errors = measured(batch, asked)
        numbers.update({_key(role, name): value for name, value in values.items()})
        for name in asked.keys() - values.keys():
            absent[errors.get(name) or _why_absent(name, batch)].append(_key(role, name))
    if due.channel.metrics == "standard" and len(batches) > 1:
        for what, values_of in (("joint", joint), ("assignment", _assigned(due))):
            try:
                numbers.update(values_of(batches))
            except Exception as error:  # the others do without
                absent[repr(error)].append(what)
    return numbers, {why: sorted(names) for why, names in absent.items()}


def _key(role: str, name: str) -> str:
    return f"{role}/{name}" if role else name


def _why_absent(name: str, batch: Batch) -> str:
    needs = NUMBERS[name].needs if name in NUMBERS else "features"
    if needs == "views" and batch.view is None:
        return "views of samples are not known"
    if needs == "labels" and batch.label is None:
        return "labels are not known"
    return "no value for these rows"


def _assigned(due: DueStep) -> Callable[[Mapping[str, Batch]], dict[str, float]]:
    """The assignment of the logits, where the model shows how they become one."""

    def assigned(batches: Mapping[str, Batch]) -> dict[str, float]:
        given, roles = due.assignment, {key: role for role, key in due.channel.features.items()}
        if given is None:
            return {}
        sides = [batches.get(roles.get(given[side], "")) for side in ("teacher", "student")]
        teacher, student = sides
        if teacher is None or student is None:
            return {}
        return metrics.assignment_numbers(teacher, student, given)

    return assigned


def _matrix(due: DueStep, batches: Mapping[str, Batch], finite: Tensor, known: Known) -> Matrix:
    kept = due.channel.save_dir is not None or "spectrum" in due.channel.look.panels
    of = {role: _of_role(batch, finite, spectrum=kept) for role, batch in batches.items()}
    (role, first), *others = of.items()
    return Matrix(
        first.gram,
        known.rank.numpy(),
        known.index.numpy(),
        first.spectrum,
        view=None if known.view is None else known.view.int().numpy(),
        sample=None if known.sample is None else known.sample.int().numpy(),
        sample_id=known.sample_id,
        label=known.label,
        role=role or None,
        others=dict(others),
    )


def _of_role(batch: Batch, finite: Tensor, *, spectrum: bool) -> OfRole:
    """Of the rows that are finite in every role, mostly the batch's own."""
    if int(finite.sum()) < len(batch.rows):
        batch = Batch(batch.features[finite])
    return OfRole(_float32(batch.gram), _float32(batch.spectrum.values) if spectrum else None)


def _float32(tensor: Tensor) -> npt.NDArray[np.float32]:
    array: npt.NDArray[np.float32] = tensor.to(torch.float32).numpy()
    return array
