"""From the rows of a step to its matrix and its numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import partial, reduce
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import pad

from gramscope.diagnosis import NUMBERS
from gramscope.events import Matrix
from gramscope.events.matrix import OfRole
from gramscope.metrics.assignment import assignment
from gramscope.metrics.batch import Batch
from gramscope.metrics.roles import joint
from gramscope.metrics.standard import STANDARD, measured, wanted
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
    left_out: int = 0
    """Rows that are not finite."""


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
            view=identity.seen,
            label=identity.classes,
            alike=identity.alike,
        )
        for role, rows in features.items()
    }
    there = {role: batch for role, batch in batches.items() if len(batch.rows)}
    if not there:
        lost = {_key(r, "nonfinite_rows"): float(len(b.features)) for r, b in batches.items()}
        return Measured(0, None, lost, {})
    finite = reduce(torch.logical_and, (batch.finite for batch in there.values()))
    if not finite.any():
        there = dict([next(iter(there.items()))])
        finite = next(iter(there.values())).finite
    numbers, absent = _numbers(due, identity, batches)
    matrix = _matrix(due, there, finite, identity.of(finite)) if due.draw else None
    n = int(finite.sum())
    return Measured(n, matrix, numbers, absent, len(finite) - n)


def _numbers(
    due: DueStep, who: Known, batches: Mapping[str, Batch]
) -> tuple[dict[str, float], dict[str, list[str]]]:
    numbers: dict[str, float] = {}
    absent: dict[str, list[str]] = defaultdict(list)
    chosen = due.channel.metrics
    names = list(wanted(chosen)) if isinstance(chosen, str) else chosen
    of_one = wanted([name for name in names if name in STANDARD])
    for role, batch in batches.items():
        values, errors = measured(batch, of_one)
        numbers.update({_key(role, name): value for name, value in values.items()})
        for name in of_one.keys() - values.keys():
            absent[errors.get(name) or _why_absent(name, batch)].append(_key(role, name))
    if chosen == "standard" or len(of_one) < len(names):
        together, failed = _of_several(due, who, batches)
        kept = [k for k in together if chosen == "standard" or k.rpartition("/")[2] in names]
        numbers.update({key: together[key] for key in kept})
        absent.update(failed)
    return numbers, {why: sorted(names) for why, names in absent.items()}


def _of_several(
    due: DueStep, who: Known, batches: Mapping[str, Batch]
) -> tuple[dict[str, float], dict[str, list[str]]]:
    """What only several features say: by name; and what failed, by why."""
    numbers: dict[str, float] = {}
    failed: dict[str, list[str]] = {}
    for what, values_of in (("joint", joint), ("assignment", partial(_assigned, due, who))):
        try:
            numbers.update(values_of(batches))
        except Exception as error:  # the others do without
            failed[f"{type(error).__name__}: {error}"] = [what]
    return numbers, failed


def _key(role: str, name: str) -> str:
    return f"{role}/{name}" if role else name


def _why_absent(name: str, batch: Batch) -> str:
    needs = NUMBERS[name].needs if name in NUMBERS else "features"
    if needs == "views" and batch.view is None:
        return "views of samples are not known"
    if needs == "labels" and batch.label is None:
        return "labels are not known"
    return "no value for these rows"


def _assigned(due: DueStep, who: Known, batches: Mapping[str, Batch]) -> dict[str, float]:
    """The numbers of the logits, where the model says how they become assignments."""
    given, roles = due.assignment, {key: role for role, key in due.channel.features.items()}
    if not given:
        return {}
    teacher, student = (batches.get(roles.get(given[side], "")) for side in ("teacher", "student"))
    if teacher is None or student is None:
        return {}
    centre, iterations = given.get("center"), given.get("sinkhorn_iterations")
    of = Batch(teacher.features[:, :0], sample=who.sample, view=who.seen, alike=who.alike)
    rows = torch.arange(len(of.rows))[None] if of.by_view is None else of.by_view  # [V, n]
    return assignment(
        teacher.features[rows],
        student.features[rows],
        temperature=float(given["teacher_temperature"]),
        student_temperature=float(given["student_temperature"]),
        centre=0.0 if centre is None else centre,
        sinkhorn_iterations=iterations,
    )


def _matrix(due: DueStep, batches: Mapping[str, Batch], finite: Tensor, known: Known) -> Matrix:
    kept = due.channel.place is not None or "spectrum" in due.channel.look.panels
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
    return OfRole(_float32(batch.gram), _singular_values(batch) if spectrum else None)


def _singular_values(batch: Batch) -> npt.NDArray[np.float32]:
    """``[min(N, D)]``: with the 0 that centring makes of the N-th."""
    values = batch.spectrum.values
    return _float32(pad(values, (0, min(batch.rows.shape) - len(values))))


def _float32(tensor: Tensor) -> npt.NDArray[np.float32]:
    array: npt.NDArray[np.float32] = tensor.to(torch.float32).numpy()
    return array
