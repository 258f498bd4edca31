"""Runs something on a model and puts everything back that it may have touched."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

__all__ = ["aside", "same_draws", "undisturbed"]


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Put ``model`` into evaluation mode, without gradients, for the length of the context.

    On the way out the train/eval flag of every submodule, every buffer, and the random number
    generators of Python, NumPy, torch, CUDA and MPS are exactly as before,
    also after an exception.
    """
    flags = [(module, module.training) for module in model.modules()]
    buffers = [
        (module, name, buffer, buffer.detach().clone())
        for module in model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    with _generators_restored():
        try:
            model.eval()
            with torch.no_grad():
                yield
        finally:
            for module, training in flags:
                module.training = training
            with torch.no_grad():
                for module, name, buffer, value in buffers:
                    buffer.copy_(value)
                    module._buffers[name] = buffer


@contextmanager
def aside() -> Iterator[None]:
    """Draw the same random numbers in every such context, and leave the generators as they were."""
    with _generators_restored():
        same_draws()
        yield


def same_draws() -> None:
    """Have the generators give what they give after every such call; for someone who restores them.

    Not by `torch.manual_seed`: that would seed a CUDA that has yet to start.
    """
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    torch.default_generator.manual_seed(0)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(0)
    if torch.backends.mps.is_available():
        torch.mps.manual_seed(0)


@contextmanager
def _generators_restored() -> Iterator[None]:
    python = random.getstate()
    legacy_numpy = np.random.get_state()  # noqa: NPY002 - what user code may draw from
    cpu = torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy_numpy)  # noqa: NPY002
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
        if mps is not None:
            torch.mps.set_rng_state(mps)
