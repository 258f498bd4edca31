"""A batch of any shape as samples: how many there are, and some of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["fingerprint", "nbytes", "samples_of", "some_of", "tensors", "with_tensors"]


def samples_of(batch: Any) -> int | None:
    """How many there are, by the first tensor: of crops or views that stand in a list, the first's.

    ``None``: it has no tensor.
    """
    while not isinstance(batch, Tensor):
        parts = batch.values() if isinstance(batch, Mapping) else batch
        if not isinstance(batch, (Mapping, list, tuple)) or not parts:
            return None
        batch = next(iter(parts))
    return len(batch) if batch.ndim else None


def some_of(batch: Any, first: int, last: int, samples: int) -> Any:
    """Samples ``first`` up to ``last`` of a batch: of whatever has an entry for each of them."""
    if isinstance(batch, (Tensor, np.ndarray)):
        return batch[first:last] if batch.ndim and len(batch) == samples else batch
    if _is_column(batch, samples):
        return batch[first:last]
    return _mapped(batch, lambda part: some_of(part, first, last, samples))


def with_tensors(batch: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A batch whose tensors are changed."""
    if isinstance(batch, Tensor):
        return change(batch)
    return _mapped(batch, lambda part: with_tensors(part, change))


def tensors(batch: Any) -> Iterator[Tensor]:
    """All tensors of a batch, in order."""
    if isinstance(batch, Tensor):
        yield batch
    elif isinstance(batch, (Mapping, list, tuple)):
        for part in batch.values() if isinstance(batch, Mapping) else batch:
            yield from tensors(part)


def nbytes(batch: Any) -> int:
    """Bytes of all its tensors."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors(batch))


def fingerprint(batches: list[Any]) -> str:
    """The same for the same samples in the same order, however they are cut into batches."""
    parts: dict[int, Any] = {}
    for batch in batches:
        for place, tensor in enumerate(tensors(batch)):
            told = parts.setdefault(place, hashlib.blake2b(digest_size=8))
            told.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return hashlib.blake2b(b"".join(p.digest() for p in parts.values()), digest_size=8).hexdigest()


def _is_column(value: Any, samples: int) -> bool:
    """Whether it is a list of texts or numbers, one for each sample."""
    plain = isinstance(value, (list, tuple)) and not hasattr(value, "_fields")
    return plain and len(value) == samples and all(isinstance(v, (str, bytes, int)) for v in value)


def _mapped(batch: Any, change: Callable[[Any], Any]) -> Any:
    """The same nesting of mappings and sequences, with other leaves."""
    if isinstance(batch, Mapping):
        return {key: change(part) for key, part in batch.items()}
    if isinstance(batch, (list, tuple)):
        parts = [change(part) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    return batch
