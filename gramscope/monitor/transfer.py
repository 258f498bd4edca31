"""From the device to the host, without waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gramscope.monitor.capture import StepCapture

__all__ = ["to_host"]


def to_host(taken: StepCapture) -> Callable[[], None] | None:
    """Start copying everything to the host; what is returned waits until it is there."""
    devices: set[torch.device] = set()
    for chunk in taken.chunks:
        for role, rows in chunk.features.items():
            chunk.features[role] = _copy(rows, devices)
        chunk.sample_id = _copy(chunk.sample_id, devices)
        chunk.label = _copy(chunk.label, devices)
        if chunk.look is not None:
            chunk.look = (_copy(chunk.look[0], devices), chunk.look[1])
    if taken.assignment is not None:
        taken.assignment = {k: _copy(v, devices) for k, v in taken.assignment.items()}
    done = [_recorded(device) for device in devices]
    return partial(_wait, done) if done else None


def _wait(done: Iterable[torch.cuda.Event]) -> None:
    for event in done:
        event.synchronize()


def _copy(value: Any, devices: set[torch.device]) -> Any:
    if not isinstance(value, Tensor) or value.device.type == "cpu":
        return value
    if value.device.type != "cuda":
        return value.cpu()
    devices.add(value.device)
    host = torch.empty(value.shape, dtype=value.dtype, device="cpu", pin_memory=True)
    return host.copy_(value, non_blocking=True)


def _recorded(device: torch.device) -> torch.cuda.Event:
    done = torch.cuda.Event(blocking=True)  # or the monitor thread would spin while it waits
    done.record(torch.cuda.current_stream(device))
    return done
