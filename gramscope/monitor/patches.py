"""What the patches of fixed samples show: their numbers, and the matrix of one sample's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gramscope import metrics
from gramscope.diagnosis.dense import DenseCourse
from gramscope.events import Matrix
from gramscope.events.matrix import Patches
from gramscope.metrics.batch import Batch
from gramscope.metrics.patches import PATCHES, PatchTokens
from gramscope.metrics.standard import STANDARD, measured
from gramscope.monitor.due_step import DueStep
from gramscope.monitor.earlier import Earlier
from gramscope.monitor.identity import Known
from gramscope.monitor.numbers import Measured

__all__ = ["About", "OfPatches"]

_MOST = 256
"""Patches of a sample, evenly spaced, whose similarities are drawn and kept."""


class About(NamedTuple):
    """What rank 0 knows of patches beside their rows."""

    has_class: bool
    """Whether each sample's first row is its class token."""
    sample: int
    """The one that is drawn, of rank 0's."""
    patch: int
    """That all of its patches are compared with."""
    grid: tuple[int, ...] | None
    """Patches along each edge; ``None``: not known."""
    image: npt.NDArray[np.float16] | None
    """``[h, w]`` or ``[d, h, w]`` of that sample."""


class OfPatches:
    """Measures rows that are class tokens and patch tokens of samples.

    Args:
        earlier: What they were.
    """

    def __init__(self, earlier: Earlier) -> None:
        self._earlier = earlier

    def __call__(self, due: DueStep, features: Mapping[str, Tensor], who: Known) -> Measured:
        """As `measure`."""
        about: About | None = due.about
        if about is None:  # rank 0 has no samples to show
            return Measured(0, None, {}, {})
        by_sample = {role: _by_sample(rows, who) for role, rows in features.items()}
        first, *_ = by_sample
        whole = by_sample[first]  # [S, V, D]
        token = whole[:, 0] if about.has_class else None
        patches = {role: rows[:, int(about.has_class) :] for role, rows in by_sample.items()}
        lost = int((~metrics.finite_rows(features[first])).sum())
        if lost == len(features[first]):
            return Measured(0, None, {"nonfinite_rows": float(lost)}, {})
        numbers, absent = self._numbers(due.step, patches, who)
        numbers["nonfinite_rows"] = float(lost)
        if token is not None:
            of_class, _ = measured(Batch(token), STANDARD)
            numbers.update({f"class/{name}": value for name, value in of_class.items()})
        matrix = _matrix(about, patches[first], who) if due.draw else None
        n = _MOST if matrix is None else len(matrix.gram)
        return Measured(min(n, patches[first].shape[1]), matrix, numbers, absent, lost)

    def _numbers(
        self, step: int, patches: Mapping[str, Tensor], who: Known
    ) -> tuple[dict[str, float], dict[str, list[str]]]:
        tokens = next(iter(patches.values()))
        chosen = _evenly(tokens.shape[1])
        grams = metrics.patch_grams(tokens[:, chosen])
        origin = (who.rank.long() << 32 | who.index.long()).view(len(tokens), -1)[:, 0]
        before = self._earlier.of(origin, grams.shape)
        mask = patches["masked"][:, chosen, 0] > 0.5 if "masked" in patches else None
        of = PatchTokens(
            tokens,
            before=before.get("before"),
            anchor=before.get(self._best),
            mask=mask,
            raw=patches.get("norms"),
            grams=grams,
        )
        values, failed = measured(of, PATCHES)
        self._remember(step, values, origin, grams)
        absent = {why: [name] for name, why in failed.items()}
        return values, absent

    def _remember(
        self, step: int, values: Mapping[str, float], origin: Tensor, grams: Tensor
    ) -> None:
        """Keep what later events are compared with: this one, and those that may be the best."""
        course = DenseCourse.recall(self._earlier.memory)
        of_before = {_name(step) for step in course.steps}
        course.update(step, values)
        self._earlier.memory = course.memory()
        names = {_name(step) for step in course.steps}
        kept = grams.half()  # in a checkpoint too; a change of 1e-4 says nothing
        new = {_name(step): kept} if _name(step) in names else {}
        self._earlier.keep(origin, before=kept, **new)
        self._earlier.drop(of_before - names)

    @property
    def _best(self) -> str:
        """What the matrices of the best earlier event are kept as."""
        best = DenseCourse.recall(self._earlier.memory).best
        return "" if best is None else _name(best.step)


def _name(step: int) -> str:
    return f"step {step}"


def _by_sample(rows: Tensor, who: Known) -> Tensor:
    """``[S, V, D]``: the rows of a sample stand side by side."""
    views = 1 if who.view is None else int(who.view.max()) + 1
    by_sample: Tensor = rows.unflatten(0, (-1, views))
    return by_sample


def _evenly(count: int) -> Tensor:
    picks = min(count, _MOST)
    return torch.arange(picks) * count // picks


def _matrix(about: About, patches: Tensor, who: Known) -> Matrix | None:
    """Of the one sample's patches that are finite; ``None``: it has none, or is not there."""
    if about.sample >= int((who.rank.view(len(patches), -1)[:, 0] == 0).sum()):
        return None
    tokens = patches[about.sample]
    chosen = _evenly(len(tokens))
    chosen = chosen[metrics.finite_rows(tokens[chosen])]
    if not len(chosen):
        return None
    batch = Batch(tokens[chosen])
    return Matrix(
        batch.gram.float().numpy(),
        np.zeros(len(chosen), np.int32),
        chosen.int().numpy(),
        batch.spectrum.values.float().numpy(),
        patches=_over_the_image(about, tokens),
    )


def _over_the_image(about: About, tokens: Tensor) -> Patches | None:
    """``None`` where the grid is not known, or a patch is not finite."""
    if about.grid is None:
        return None
    unit = torch.nn.functional.normalize(tokens.double(), dim=1)
    similarity = unit @ unit[about.patch]
    if not similarity.isfinite().all():
        return None
    return Patches(about.grid, about.patch, similarity.float().clamp(-1, 1).numpy(), about.image)
