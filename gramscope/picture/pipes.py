"""Reading and writing a pipe whose other end may hang: no call outlasts its deadline."""

from __future__ import annotations

import os
import select
import selectors
import time

__all__ = ["read_line", "read_some", "write_all"]


def read_line(fd: int, deadline: float) -> tuple[bytes, bytes]:
    """A line, without its end, and what has come behind it.

    Raises:
        EOFError: If the other end is closed.
        TimeoutError: If it has not come by then, a value of `time.monotonic`.
    """
    data = b""
    while b"\n" not in data:
        data += read_some(fd, deadline)
    line, _, rest = data.partition(b"\n")
    return line, rest


def read_some(fd: int, deadline: float) -> bytes:
    """What has come, at least a byte.

    Raises:
        EOFError: If the other end is closed.
        TimeoutError: If nothing has come by then.
    """
    _wait_for(fd, selectors.EVENT_READ, deadline)
    data = os.read(fd, 1 << 20)
    if not data:
        raise EOFError("it closed its output")
    return data


def write_all(fd: int, data: bytes, deadline: float) -> None:
    """All of it.

    Raises:
        TimeoutError: If the other end has not taken it by then.
    """
    left = memoryview(data)
    while left:
        _wait_for(fd, selectors.EVENT_WRITE, deadline)
        # No more than a pipe takes at once: a larger write would wait for a helper that hangs.
        left = left[os.write(fd, left[: select.PIPE_BUF]) :]


def _wait_for(fd: int, events: int, deadline: float) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(fd, events)
        if not selector.select(max(0.0, deadline - time.monotonic())):
            raise TimeoutError
