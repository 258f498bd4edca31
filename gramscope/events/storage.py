"""What an event leaves on disk beside its picture: its numbers, and a line of account."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

__all__ = ["append_line", "npz_bytes"]


def npz_bytes(
    gram: Tensor, rank: Tensor | None, index: Tensor | None, spectrum: Tensor | None
) -> bytes:
    """An ``.npz`` file's bytes with ``gram``, ``rank``, ``index`` and ``spectrum``.

    Args:
        gram: ``[N, N]`` float32.
        rank: ``[N]`` int32, the rank each row came from.
        index: ``[N]`` int32, its position in that rank's batch.
        spectrum: Singular values of the centred features, in descending order.
    """
    buffer = io.BytesIO()
    tensors = {"gram": gram, "rank": rank, "index": index, "spectrum": spectrum}
    arrays: dict[str, Any] = {k: _array(t) for k, t in tensors.items() if t is not None}
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _array(tensor: Tensor) -> npt.NDArray[Any]:
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


def append_line(path: Path, line: str) -> None:
    """Append one line in one write, so that a killed run leaves whole lines.

    Args:
        path: Where; missing directories are made.
        line: Without its newline.

    Raises:
        OSError: If it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    data = f"{line}\n".encode()
    try:
        size = os.fstat(fd).st_size
        if os.write(fd, data) < len(data):  # the disk is full: better no line than half a line
            os.ftruncate(fd, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        os.close(fd)
