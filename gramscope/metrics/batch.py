"""The rows of one event and what is known of them; what several numbers need is computed once."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from gramscope.metrics.gram import gram_matrix
from gramscope.metrics.kernels import product
from gramscope.metrics.rows import as_matrix, finite_rows
from gramscope.metrics.spectrum import Spectrum, spectrum
from gramscope.metrics.sphere import UnitRows, uniformity_w2, unit_rows
from gramscope.metrics.views import Pair, pair

__all__ = ["Batch", "stacked"]


class Batch:
    """Features with the identity of their rows.

    Args:
        features: ``[N, D]``, any floating dtype.
        sample: ``[N]`` integers: which rows are of one sample. ``None``: each is of its own.
        view: ``[N]`` integers from 0: which view of its sample a row is. ``None``: not known.
        label: ``[N]`` integers: the samples' classes. ``None``: not known.
        alike: The first so many views are of one crop type, and the ones that are compared: a
            student of DINO has 2 global and 4 local ones. ``None``: all.

    Raises:
        ValueError: If ``features`` is no floating matrix, another is not of its rows, or fewer
            than two views are alike.
    """

    def __init__(
        self,
        features: Tensor,
        *,
        sample: Tensor | None = None,
        view: Tensor | None = None,
        label: Tensor | None = None,
        alike: int | None = None,
    ) -> None:
        if alike is not None and alike < 2:
            raise ValueError(f"Expected `alike` to be at least 2 views, but got {alike}.")
        for name, given in (("sample", sample), ("view", view), ("label", label)):
            if given is not None and given.shape != features.shape[:1]:
                raise ValueError(
                    f"Expected `{name}` to hold a number for each of {len(features)} rows, but "
                    f"got shape {list(given.shape)}."
                )
        self.features = as_matrix(features)
        self.finite = finite_rows(self.features)
        self._whole = bool(self.finite.all())
        self.rows = self._of_finite(self.features)
        """``[n, D]``: those without NaN and Inf, of which all numbers are."""
        self.sample = None if sample is None else self._of_finite(sample)
        self.view = None if view is None else self._of_finite(view)
        self.label = None if label is None else self._of_finite(label)
        self._alike = alike

    def _of_finite(self, given: Tensor) -> Tensor:
        return given if self._whole else given[self.finite]

    @cached_property
    def gram(self) -> Tensor:
        """``[n, n]``: cosine similarities."""
        return gram_matrix(self.rows)

    @cached_property
    def product(self) -> Tensor:
        """``[n, n]`` float64: ``X X^T`` of the centred rows."""
        return product(self.rows)

    @cached_property
    def unit(self) -> UnitRows:
        """The rows of length 1."""
        return UnitRows(unit_rows(self.rows))

    @cached_property
    def uniformity_w2(self) -> float:
        """It takes a spectrum of its own: that of the rows of length 1."""
        return uniformity_w2(self.unit)

    @cached_property
    def spectrum(self) -> Spectrum:
        """That of the centred rows."""
        return spectrum(self.rows)

    @cached_property
    def uncentred(self) -> Spectrum:
        """That of the rows as they are."""
        return spectrum(self.rows, centred=False)

    @cached_property
    def compared(self) -> Tensor | None:
        """``[m]`` int64: positions among ``rows`` of those that numbers of views compare.

        By sample and view, and each view once: a sampler pads with samples that are there already.
        ``None``: views are not known.
        """
        if self.view is None or self.sample is None:
            return None
        _, sample = self.sample.unique(return_inverse=True)  # small, whatever the numbers are
        _, view = self.view.unique(return_inverse=True)
        key, order = (sample * len(view) + view).sort(stable=True)
        taken = key.diff(prepend=key[:1] - 1) > 0
        if self._alike is not None:
            taken &= self.view[order] < self._alike
        rows: Tensor = order[taken]
        return rows

    @cached_property
    def by_view(self) -> Tensor | None:
        """``[V, s]`` int64: positions among ``rows`` of samples with all views; ``None``: none."""
        rows = self.compared
        if rows is None or self.sample is None or self.view is None or not len(rows):
            return None
        count = int(self.view[rows].amax()) + 1
        _, sample, seen = self.sample[rows].unique(return_inverse=True, return_counts=True)
        rows = rows[(seen == count)[sample]]  # [s * V]
        return rows.reshape(-1, count).T if count > 1 and len(rows) else None

    @cached_property
    def views(self) -> Tensor | None:
        """``[V, s, D]`` float64 of length 1: samples with all their views; ``None``: not known."""
        return None if self.by_view is None else self.unit.rows[self.by_view]

    @cached_property
    def pair(self) -> Pair | None:
        """The products of the first two views: there, more of them say little more."""
        return None if self.views is None else pair(self.views[0], self.views[1])


def stacked(rows: int, views: int) -> tuple[Tensor, Tensor]:
    """Sample and view of rows of which the first views come first, then all second ones.

    Args:
        rows: How many rows there are.
        views: How many views of each sample.

    Returns:
        Two tensors ``[rows]`` int64.

    Raises:
        ValueError: If the views do not divide the rows.

    Example:
        >>> stacked(4, 2)
        (tensor([0, 1, 0, 1]), tensor([0, 0, 1, 1]))
    """
    if views < 1 or rows % views:
        raise ValueError(f"Expected `views` to divide the {rows} rows, but got {views}.")
    position, samples = torch.arange(rows), max(rows // views, 1)
    return position % samples, position // samples
