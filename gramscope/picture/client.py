"""Has pictures drawn by a helper process, so that drawing never holds training's interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

from gramscope.picture.look import Course, Look
from gramscope.picture.pipes import read_line, read_some, write_all

__all__ = ["RenderClient", "RenderError"]

_ROOT = str(Path(__file__).resolve().parents[2])
# The first entry of sys.path would be the working directory, whose modules may shadow any name.
_START = f"import sys; sys.path[0] = {_ROOT!r}; from gramscope.picture.server import main; main()"

_MOST_DEATHS = 6
_PLAIN = Look()


class RenderError(Exception):
    """No picture could be had; the message says why."""


class RenderClient:
    """One helper process, started when first needed and restarted when it dies.

    At once after a picture that it drew, else after 2, 4, 8 … seconds; after some deaths in a
    row it is given up. A picture that takes too long costs that picture, and is no death.
    Use it from one thread.
    """

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._deaths = 0  # since the last picture
        self._not_before = 0.0
        self._closed = False
        self._asking = threading.Lock()

    @property
    def pid(self) -> int | None:
        """Process id of the helper; ``None`` while there is none."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the helper if there is none.

        Raises:
            RenderError: If it cannot be started, now or any more.
        """
        self._running()

    def png(self, npz: bytes, title: str, look: Look = _PLAIN) -> bytes:
        """Have an event's matrix drawn.

        Args:
            npz: ``Matrix.npz()``, the bytes of the event's file.
            title: Text above the picture.
            look: What else it is to show.

        Returns:
            A PNG file's bytes.

        Raises:
            RenderError: If the helper is not there, hangs, or cannot draw this.
        """
        return self._drawn([npz], title, look, None)

    def film(
        self,
        npzs: Sequence[bytes],
        steps: Sequence[int],
        title: str,
        look: Look = _PLAIN,
        course: Course | None = None,
    ) -> bytes:
        """Have several events drawn beside each other; see `gramscope.picture.film.film`.

        Args:
            npzs: As `png` takes them, of one to `MOST_FRAMES` events of one kind.
            steps: Those of the events.
            title: Text above the picture.
            look: Order and colours.
            course: Shown as a curve below.

        Returns:
            A PNG file's bytes.

        Raises:
            RenderError: As of `png`; also if there are too many frames, or they do not fit.
        """
        name, values = (course.name, course.values) if course else ("", ())
        frames = {"steps": list(steps), "name": name, "values": list(values)}
        return self._drawn(npzs, title, look, frames)

    def _drawn(
        self, npzs: Sequence[bytes], title: str, look: Look, film: dict[str, Any] | None
    ) -> bytes:
        sizes = [len(npz) for npz in npzs]
        head = {"sizes": sizes, "title": title, "look": astuple(look), "film": film}
        request = json.dumps(head).encode() + b"\n" + b"".join(npzs)
        with self._asking:
            while True:
                process = self._running()
                try:
                    picture = self._ask(process, request)
                except (OSError, EOFError, ValueError):  # it died, or talks nonsense
                    self._died()
                except RenderError:
                    raise
                except BaseException:  # a half-heard answer would be taken for the next one's
                    self._end()
                    raise
                else:
                    self._deaths = 0
                    return picture

    def close(self) -> None:
        """End the helper for good; a thread that still asks for a picture gets none."""
        self._closed = True
        if (process := self._process) is not None:
            process.kill()  # whoever waits for it sees that; not, if its pipes were closed
        if self._asking.acquire(timeout=1.0):
            self._end()
            self._asking.release()

    def _died(self) -> None:
        self._end()
        self._deaths += 1
        if self._deaths > 1:
            self._not_before = time.monotonic() + 2 ** (self._deaths - 1)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            try:
                if pipe is not None:
                    pipe.close()
            except OSError:  # what was still buffered for a dead helper
                pass
        # Not by the end of its input alone: data loader workers may hold copies of the pipe.
        process.kill()
        process.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None:
            return self._process
        if self._closed or self._deaths > _MOST_DEATHS:
            raise RenderError("the renderer is gone: it was closed, or died again and again")
        if time.monotonic() < self._not_before:
            raise RenderError("the renderer died, and is to be started again in some seconds")
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # Ctrl-C in the terminal is for the training process, which still wants pictures.
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            self._died()
            raise RenderError(f"the renderer could not be started ({error!r})") from error
        return self._process

    def _ask(self, process: subprocess.Popen[bytes], request: bytes) -> bytes:
        assert process.stdin is not None and process.stdout is not None
        deadline = time.monotonic() + self.timeout_s
        try:
            write_all(process.stdin.fileno(), request, deadline)
            head, body = read_line(process.stdout.fileno(), deadline)
            answer = json.loads(head)
            while len(body) < answer["size"]:
                body += read_some(process.stdout.fileno(), deadline)
        except TimeoutError as error:
            self._end()
            raise RenderError(f"no picture within {self.timeout_s} s") from error
        if answer["error"]:
            raise RenderError(answer["error"])
        return bytes(body)
