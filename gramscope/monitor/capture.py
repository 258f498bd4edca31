"""Takes one step's features where the model makes them, and leaves no trace of having looked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gramscope.config.views import Layout, Views
from gramscope.events import Reason
from gramscope.monitor.buffers import BufferPool
from gramscope.monitor.features import FeatureError, lookup
from gramscope.monitor.identity import pick
from gramscope.monitor.pooling import Features, as_features, is_sequence_first
from gramscope.monitor.rows import RowSampler, Selection, copy_rows
from gramscope.monitor.sightings import Sightings

__all__ = ["Chunk", "StepCapture"]

_COLUMNS_LOOKED_AT = 1024
"""Enough to tell which rows are alike."""


@dataclass
class Chunk:
    """What is taken of one micro-batch."""

    chosen: Selection
    declared: Views | None
    """Views of the first feature, to whose rows positions refer."""
    features: dict[str, Tensor]
    """By role, ``[k, D]`` each, the same rows of all."""
    sample_id: Any = None
    """See `gramscope.monitor.identity.pick`."""
    label: Any = None
    look: tuple[Tensor, int] | None = None
    """Rows to look for views in, and of how many they were looked out."""


class StepCapture:
    """Collects the rows of one optimizer step from the outputs that are offered to it.

    Args:
        keys: Dotted path of the features in an output, or of several by role.
        limit: Rows to take from this rank; a function: samples, by the views taken of each.
        micro_batches: How many micro-batches the step is expected to have.
        pool: How features of more than two dimensions become rows, see `as_features`.
        bare_tensor: Whether an output that is itself a tensor counts as the features.
        pools: By role, memory for rows that are on the host already.
        look: Which rows to look for views in, by the number of rows; ``None``: do not look.
    """

    def __init__(
        self,
        keys: str | Mapping[str, str],
        limit: int | Callable[[int], int],
        micro_batches: int = 1,
        *,
        pool: str | int = "cls",
        bare_tensor: bool = False,
        pools: Mapping[str, BufferPool] | None = None,
        look: Callable[[int], list[int]] | None = None,
    ) -> None:
        self.chunks: list[Chunk] = []
        self.error: FeatureError | None = None
        """Why there are no rows at all."""
        self.lacking: dict[str, FeatureError] = {}
        """By role, why there are no rows of one."""
        self.remarks: dict[str, None] = {}
        """What else was wrong with the step."""
        self.notes: dict[str, None] = {}
        """How the rows were read, where that may not be what was meant."""
        self.alike: int | None = None
        """How many of a sample's views are of one crop type; ``None``: all."""
        self.assignment: Mapping[str, Any] | None = None
        """How the model's logits become assignments, where it says so."""
        self.seen = Sightings()
        """What the outputs held in which features were looked for in vain."""
        self.idle: bool | None = None
        """Whether this rank has nothing to give, which needs no reason; ``None``: by its quota."""
        self.about: Any = None
        """What else is known of the rows, for whoever measures them."""
        self.bare = False
        """Whether what was taken is a tensor without a key."""
        self._pool = pool
        self._keys = {"": keys} if isinstance(keys, str) else dict(keys)
        self._sampler = RowSampler(limit if callable(limit) else lambda _: limit, micro_batches)
        self._bare_tensor = bare_tensor and len(self._keys) == 1
        self._pools = pools or defaultdict(lambda: BufferPool(0))
        self._look = look
        self._filled = 0  # features that the micro-batch has given
        self._mark = self._present
        self._views: Mapping[str, Views | None] = {}
        self._marks: Mapping[str, Any] = {}
        self._samples: int | None = None
        self._calls: dict[str, list[Tensor | FeatureError]] = {}

    @property
    def filled(self) -> bool:
        """Whether the micro-batch has given features."""
        return self._filled > 0

    def begin_micro_batch(
        self,
        views: Mapping[str, Views | None] | None = None,
        marks: Mapping[str, Any] | None = None,
        samples: int | None = None,
    ) -> None:
        """Accept features again: each micro-batch gives its first, whatever else it computes.

        Args:
            views: By role, how rows are views of samples, where that is known.
            marks: ``sample_id`` and ``label`` of the micro-batch, each where there is one.
            samples: How many the micro-batch has, where that is known.
        """
        self._filled = 0
        self._samples = samples
        self._calls = {}
        self._mark = self._present
        self._views, self._marks = views or {}, marks or {}

    def end_micro_batch(self) -> None:
        """Note what the micro-batch has not given."""
        if self.error is None and not self._filled:
            self.error = self._missing(*self._keys.values())
        for role, key in self._keys.items() if self._filled < len(self._keys) else ():
            if self.error is None and role not in self.chunks[-1].features:
                self.lacking.setdefault(role, self._missing(key))

    def offer(self, outputs: Any, *, override: bool = False, sequence_first: bool = False) -> bool:
        """Take the rows of ``outputs`` if they hold more than the micro-batch has; never raises.

        Args:
            outputs: What a module or the training step returned.
            override: Take them also if they hold as much, instead.
            sequence_first: Whether the module says that its outputs are ``[T, N, D]``.

        Returns:
            Whether ``outputs`` was taken.
        """
        if self._filled == len(self._keys) and not override:
            return False
        found: dict[str, Features | FeatureError] = {}
        try:
            found = self._find(outputs, sequence_first)
            if len(found) < max(self._filled + (not override), 1):
                return False
            self.bare = isinstance(outputs, Tensor)
            self._take(found)
        except Exception as error:  # whatever a foreign output does must not reach training
            self.fail(error)
        self._filled = max(len(found), 1)
        return True

    def keep(self, outputs: Any, *, sequence_first: bool = False) -> None:
        """Keep all rows that one call of several has returned, for `join`; never raises."""
        try:
            for role, found in self._find(outputs, sequence_first).items():
                self.bare = isinstance(outputs, Tensor)
                self._calls.setdefault(role, []).append(_rows(found))
        except Exception as error:
            self.fail(error)

    def join(self) -> None:
        """Take what the calls have returned, as if a single one had; never raises."""
        calls, self._calls = self._calls, {}
        try:
            if calls:
                self._take({role: _joined(parts) for role, parts in calls.items()})
        except Exception as error:
            self.fail(error)
        self._filled = max(len(calls), self._filled)

    def fail(self, error: Exception) -> None:
        """Give up this step's rows."""
        if self.error is None:
            foreign = FeatureError(Reason.capture_failed, f"capture failed with {error!r}")
            self.error = error if isinstance(error, FeatureError) else foreign

    @property
    def _present(self) -> tuple[tuple[int, int], int, dict[str, FeatureError]]:
        return self._sampler.mark, len(self.chunks), dict(self.lacking)

    def _rewind(self) -> None:
        mark, chunks, self.lacking = self._mark
        self._sampler.rewind(mark)
        del self.chunks[chunks:]

    def _find(
        self, outputs: Any, sequence_first: bool = False
    ) -> dict[str, Features | FeatureError]:
        """By role, the features, or why what is there is none."""
        if isinstance(outputs, Tensor) and self._bare_tensor:
            return {role: self._read(outputs, role, sequence_first) for role in self._keys}
        found: dict[str, Features | FeatureError] = {}
        for role, key in self._keys.items():
            try:
                found[role] = self._read(lookup(outputs, key), role, sequence_first)
            except KeyError:
                continue
        if len(found) < len(self._keys):
            self.seen.note(outputs)
        return found

    def _read(self, value: Any, role: str, sequence_first: bool) -> Features | FeatureError:
        key = self._keys[role]
        if is_sequence_first(value, self._samples, declared=sequence_first):
            self.notes[f"{key!r} {list(value.shape)} is read as [T, N, D], sequence first"] = None
            value = value.transpose(0, 1)
        try:
            return as_features(value, key, self._pool)
        except FeatureError as error:
            return error

    def _take(self, found: Mapping[str, Features | FeatureError]) -> None:
        """Take the rows in place of those that the micro-batch has given already."""
        self._rewind()
        errors = {role: e for role, e in found.items() if isinstance(e, FeatureError)}
        features = {role: f for role, f in found.items() if isinstance(f, Features)}
        if not features:
            raise next(iter(errors.values()))
        self.lacking = {**errors, **self.lacking}
        views, samples = self._shared(features)
        first_role, first = next(iter(features.items()))
        declared = views.get(first_role)
        chosen = self._choose(len(first), samples, declared, views)
        taken = {
            role: copy_rows(f, chosen, views.get(role), self._pools[role])
            for role, f in features.items()
        }
        chunk = Chunk(chosen, declared, taken)
        for name, value in self._marks.items():
            self._mark_rows(chunk, name, value, len(first))
        if self._look is not None and declared is None and not self.chunks and len(first):
            chunk.look = (_some(first, self._look(len(first))), len(first))
        self.chunks.append(chunk)

    def _choose(
        self, rows: int, samples: int, declared: Views | None, views: Mapping[str, Views]
    ) -> Selection:
        common = min((v.count for v in views.values()), default=1)
        self.alike = min((v.comparable for v in views.values()), default=None)
        layout = declared.layout if declared else Layout.stacked.value
        return self._sampler.choose(rows, samples=samples, views=common, layout=layout)

    def _shared(self, features: dict[str, Features]) -> tuple[dict[str, Views], int]:
        """The views by role and the number of samples that features share; others leave."""
        views = {r: v for r in features if (v := self._views.get(r)) is not None}
        odd = [(v.count, len(features[r])) for r, v in views.items() if len(features[r]) % v.count]
        for count, rows in odd:
            self.remarks[f"views: {count} do not divide the {rows} rows"] = None
        if odd or len(views) < len(features):
            views.clear()
        samples = {r: len(f) // views[r].count if views else len(f) for r, f in features.items()}
        first = next(iter(samples))
        for role in [r for r in samples if samples[r] != samples[first]]:
            self.lacking[role] = FeatureError(
                Reason.other_rows,
                f"{self._keys[role]!r} has {len(features.pop(role))} rows, which are not those of "
                f"{self._keys[first]!r} with {len(features[first])}; declare its `views`",
            )
            views.pop(role, None)
        return views, samples[first]

    def _mark_rows(self, chunk: Chunk, name: str, value: Any, rows: int) -> None:
        try:
            if isinstance(value, FeatureError):
                raise value
            setattr(chunk, name, pick(value, name, chunk.chosen, chunk.declared, rows))
        except Exception as error:  # the rows can do without
            self.remarks[str(error)] = None

    def _missing(self, *keys: str) -> FeatureError:
        named = " or ".join(map(repr, keys))
        return FeatureError(
            Reason.missing_key,
            f"no output has feature_key={named}; there is: {self.seen.text}",
        )


def _rows(found: Features | FeatureError) -> Tensor | FeatureError:
    """``[N, D]``, copied: whoever made the features may change them before the step ends."""
    if isinstance(found, FeatureError):
        return found
    rows = found.of(found.source.detach())
    return rows if found.over else rows.clone()


def _joined(parts: list[Tensor | FeatureError]) -> Features | FeatureError:
    for part in parts:
        if isinstance(part, FeatureError):
            return part
    rows = [part for part in parts if isinstance(part, Tensor)]
    if dims := {part.shape[1] for part in rows} - {rows[0].shape[1]}:
        return FeatureError(
            Reason.other_dimension,
            f"the calls of a step return rows of {rows[0].shape[1]} and of "
            f"{', '.join(map(str, sorted(dims)))} dimensions, which `calls: all` cannot join",
        )
    return Features(torch.cat(rows))


def _some(features: Features, places: list[int]) -> Tensor:
    """Rows to look for views in, without all of their columns."""
    source = features.source.detach()
    source = source if features.over else source[:, :_COLUMNS_LOOKED_AT]
    index = torch.tensor(places, dtype=torch.int64).to(source.device, non_blocking=True)
    return features.of(source.index_select(0, index))[:, :_COLUMNS_LOOKED_AT]
