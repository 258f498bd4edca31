"""The samples that are watched over time: where they are read, and this rank's share of them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gramscope.callbacks.probing.batches import (
    fingerprint,
    nbytes,
    samples_of,
    some_of,
    with_tensors,
)
from gramscope.config.probes import Samples
from gramscope.events import Reason
from gramscope.monitor.features import FeatureError

__all__ = ["SampleSet", "Source", "sample_set", "source_of"]


class Source(NamedTuple):
    """Where samples come from."""

    words: str
    """In words."""
    batches: Generator[Any, None, None]
    is_of_rank: bool = False
    """Whether each rank has samples of its own; else all have the same."""


class SampleSet(NamedTuple):
    """One rank's share of the samples, on the host."""

    chunks: list[Any]
    """Batches of them, as they are encoded."""
    total: int
    """How many there are, as this rank has read them."""
    origin: str
    """Where they come from, in words."""
    spare: Any
    """One sample, for a pass that is made for other ranks' sake."""
    mark: str
    """Of these samples in this order and of no others."""


def sample_set(source: Source, most: int, share: Callable[[int], range], size: int) -> SampleSet:
    """Read samples, and keep this rank's share.

    Args:
        source: Where they come from.
        most: Samples to take over all ranks.
        share: Which of so many samples are this rank's.
        size: Most samples of a chunk.

    Raises:
        FeatureError: If there are none, or more than memory has room for.
    """
    own = len(share(most))
    with closing(source.batches):  # as far as is needed
        read = [*_first(source, max(1, own) if source.is_of_rank else most)]
    counts = [samples_of(batch) or 0 for batch in read]
    total = sum(counts)
    mine = range(min(own, total)) if source.is_of_rank else share(total)
    spare = some_of(read[0], 0, 1, counts[0])
    chunks = [*_cut(read, counts, mine, size)]
    return SampleSet(chunks, total, source.words, spare, fingerprint(read))


def _validation(source: Any) -> Generator[Any, None, None]:
    """The batches of a trainer's validation data, of the first loader if there are several.

    Args:
        source: The trainer's `_DataLoaderSource` of them.
    """
    loaders = source.dataloader()
    loaders = getattr(loaders, "flattened", loaders)  # of a `CombinedLoader`
    if isinstance(loaders, dict):
        loaders = [*loaders.values()]
    loader = next(iter(loaders), ()) if isinstance(loaders, (list, tuple)) else loaders
    with _same_order(loader):
        yield from loader


@contextmanager
def _same_order(loader: Any) -> Iterator[None]:
    """Have a loader's own generators give the same every time, and leave them as they were."""
    batches = getattr(loader, "batch_sampler", None)
    owners = (loader, getattr(loader, "sampler", None), getattr(batches, "sampler", None))
    found = (getattr(owner, "generator", None) for owner in owners)
    generators = {id(g): g for g in found if isinstance(g, torch.Generator)}.values()
    states = [generator.get_state() for generator in generators]
    try:
        for generator in generators:
            generator.manual_seed(0)
        yield
    finally:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)


def _validation_source(trainer: Any) -> Any:
    """The source of a trainer's validation data; ``None``: it has none."""
    validates = str(getattr(trainer.state.fn, "value", trainer.state.fn)) == "validate"
    loop = trainer.validate_loop if validates else trainer.fit_loop.epoch_loop.val_loop
    source = loop._data_source
    return source if source.is_defined() else None


def _read_file(file: Path, batch_size: int) -> Generator[Any, None, None]:
    """Batches of what a file holds: a tensor, or several by name, with a sample in each row.

    Raises:
        FeatureError: If it cannot be read.
    """
    try:
        found = _mapped_file(file)
    except Exception as error:
        raise FeatureError(Reason.no_samples, f"{file} cannot be read: {error!r}") from error
    samples = samples_of(found)
    if samples is None:
        held = type(found).__name__
        raise FeatureError(
            Reason.no_samples, f"{file} holds a {held}; expected an array, or several by name"
        )
    for first in range(0, samples, batch_size):
        yield some_of(found, first, first + batch_size, samples)


def _mapped_file(file: Path) -> Any:
    """What it holds, left on the disk where that is possible."""
    if file.suffix == ".npz":
        with np.load(file, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    if file.suffix == ".npy":
        array = np.load(file, mmap_mode="c", allow_pickle=False)
        return torch.from_numpy(array)
    return torch.load(file, map_location="cpu", mmap=True, weights_only=True)


def _chained(first: Any, rest: Generator[Any, None, None]) -> Generator[Any, None, None]:
    with closing(rest):
        yield first
        yield from rest


def _first(source: Source, most: int) -> Iterator[Any]:
    """Copies of the first samples, cut to ``most``."""
    left, origin = most, source.words
    for batch in source.batches:
        samples = samples_of(batch)
        if samples is None:
            kind = type(batch).__name__
            raise FeatureError(Reason.no_samples, f"{origin}: a {kind} without tensors is no batch")
        if left == most and samples:
            _require_memory(origin, nbytes(batch) / samples * most)
        taken = some_of(batch, 0, min(left, samples), samples)
        yield with_tensors(taken, _copied)
        left -= min(left, samples)
        if left <= 0:
            return
    if left == most:
        raise FeatureError(Reason.no_samples, f"{origin}: there are no samples")


def _copied(tensor: Tensor) -> Tensor:
    """On the host, where whoever made it cannot change it."""
    return tensor.detach().to("cpu", copy=True)


def _require_memory(origin: str, needed: float) -> None:
    free = _free_memory()
    if free is not None and needed > free / 2:
        raise FeatureError(
            Reason.no_samples,
            f"{origin}: the samples would take {needed / 1e9:.3g} GB, and {free / 1e9:.3g} GB are "
            "free; lower max_samples, or give a file of smaller ones",
        )


def _free_memory() -> int | None:
    """Bytes; ``None`` where the system does not say."""
    with suppress(OSError, ValueError, IndexError):
        told = Path("/proc/meminfo").read_text().partition("MemAvailable:")[2]
        return int(told.split()[0]) * 1024
    return None


def _cut(read: list[Any], counts: list[int], mine: range, batch_size: int) -> Iterator[Any]:
    """The chunks of this rank's samples."""
    before = 0
    for batch, samples in zip(read, counts, strict=True):
        first, last = max(mine.start - before, 0), min(mine.stop - before, samples)
        for at in range(first, last, batch_size):
            some = some_of(batch, at, min(at + batch_size, last), samples)
            yield with_tensors(some, Tensor.clone)  # of this rank's share alone
        before += samples


def source_of(config: Any, trainer: Any, first_batch: Any) -> Source | None:
    """Where the samples come from; ``None``: from the first batch, which is still to come.

    Args:
        config: The settings.
        trainer: Whose validation data they may be.
        first_batch: Of training; ``None``: there has been none yet.

    Raises:
        FeatureError: If there are none.
    """
    if config.samples not in [choice.value for choice in Samples]:
        file = Path(config.samples)
        return Source(f"the file {file}", _read_file(file, config.batch_size))
    held_out = _validation_source(trainer)
    if config.samples == Samples.validation.value and held_out is None:
        raise FeatureError(Reason.no_samples, "samples=validation: there are no validation data")
    if config.samples != Samples.first_batch.value and held_out is not None:
        of_loader = _validation(held_out)
        if config.samples == Samples.validation.value or first_batch is None:
            return Source("the validation data", of_loader)
        first = next(of_loader, None)
        if first is not None:
            return Source("the validation data", _chained(first, of_loader))
    if first_batch is None:
        return None
    return Source("the first batch", (batch for batch in [first_batch]), is_of_rank=True)
