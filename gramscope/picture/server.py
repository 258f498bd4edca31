"""The helper process that draws pictures: requests on its standard input, PNG files on its output.

A request is a line of JSON (`size`, `title`, `order`, `color_range`, `panels`) followed by `size`
bytes, those of an event's ``.npz`` file; the answer is a line of JSON (`size`, `error`) followed by
`size` bytes.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from typing import BinaryIO

from gramscope.events.matrix import read_matrix
from gramscope.picture.look import Look
from gramscope.picture.renderer import Renderer

__all__ = ["main", "serve"]


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    renderer = Renderer()
    while (line := requests.readline()).endswith(b"\n"):
        request = json.loads(line)
        npz = requests.read(request["size"])
        if len(npz) < request["size"]:  # the parent process died while it asked
            return
        try:
            look = Look(request["order"], request["color_range"], tuple(request["panels"]))
            picture, error = renderer.png(read_matrix(npz), request["title"], look), ""
        except Exception as problem:  # one bad picture must not cost the others
            picture, error = b"", repr(problem)
        head = json.dumps({"size": len(picture), "error": error})
        answers.write(head.encode() + b"\n" + picture)
        answers.flush()


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
