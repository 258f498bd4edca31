"""Host memory that is used again: fresh pages cost more than the copy that goes into them."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor

__all__ = ["BufferPool"]


class BufferPool:
    """Keeps a few host buffers of the latest shape between events.

    One thread takes and another gives back; a deque's ends are safe for that.
    """

    def __init__(self, capacity: int) -> None:
        self._free: deque[Tensor] = deque(maxlen=capacity)

    def take(self, rows: int, like: Tensor) -> Tensor:
        """A host buffer ``[rows, D]``, dtype and D as of ``like``; its content is arbitrary."""
        try:
            buffer = self._free.popleft()
        except IndexError:
            buffer = like.new_empty(0)
        if buffer.shape == (rows, like.shape[1]) and buffer.dtype == like.dtype:
            return buffer
        # Memory that was made in inference mode could not be written to outside of it.
        with torch.inference_mode(False):
            return torch.empty(rows, like.shape[1], dtype=like.dtype, device="cpu")

    def give_back(self, buffers: list[Tensor]) -> None:
        """Offer buffers for use again; nobody may look at them any more."""
        self._free.extend(buffers)
