"""The helper process that draws pictures: requests on its standard input, PNG files on its output.

A request is a line of JSON (`sizes`, `title`, `look`, `film`) followed by as many bytes as each of
`sizes` says, those of an event's ``.npz`` file; `film` is ``None`` where a picture of one event is
wanted, else what is known of the frames. The answer is a line of JSON (`size`, `error`) followed by
`size` bytes.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any, BinaryIO

from gramscope.events.matrix import read_matrix
from gramscope.picture.film import film
from gramscope.picture.look import Course, Look
from gramscope.picture.renderer import Renderer

__all__ = ["main", "serve"]


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    renderer = Renderer()
    while (line := requests.readline()).endswith(b"\n"):
        request = json.loads(line)
        npzs = [requests.read(size) for size in request["sizes"]]
        if [len(npz) for npz in npzs] != request["sizes"]:  # the parent died while it asked
            return
        try:
            picture, error = _drawn(renderer, request, npzs), ""
        except Exception as problem:  # one bad picture must not cost the others
            picture, error = b"", repr(problem)
        head = json.dumps({"size": len(picture), "error": error})
        answers.write(head.encode() + b"\n" + picture)
        answers.flush()


def _drawn(renderer: Renderer, request: dict[str, Any], npzs: Sequence[bytes]) -> bytes:
    matrices, title = [read_matrix(npz) for npz in npzs], request["title"]
    order, color_range, panels = request["look"]
    look = Look(order, color_range, tuple(panels))
    if (frames := request["film"]) is None:
        return renderer.png(matrices[0], title, look)
    course = Course(frames["name"], tuple(frames["values"])) if frames["values"] else None
    return film(matrices, frames["steps"], title, look, course)


def main() -> None:
    """Serve the parent process; whatever libraries print goes to standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # Anybody's sample ids; a box instead of a character says it.
    warnings.filterwarnings("ignore", "Glyph .* missing")
    if hasattr(os, "nice"):
        os.nice(10)  # a picture can wait for a training step, not the other way round
    try:
        serve(sys.stdin.buffer, answers)
    except BrokenPipeError:  # the parent process died while it was answered
        os._exit(1)  # without another attempt to send what is left


if __name__ == "__main__":
    main()
