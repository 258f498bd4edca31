"""The helper process that draws pictures: requests on its standard input, PNG files on its output.

A request is a line of JSON (`n`, `title`, `boundaries`) followed by the gram matrix as
``n * n`` float32; the answer is a line of JSON (`size`, `error`) followed by `size` bytes.
"""

from __future__ import annotations

import json
import os
import sys
from typing import BinaryIO

import numpy as np

from gramscope.picture.heatmap import HeatmapRenderer

__all__ = ["main", "serve"]


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    renderer = HeatmapRenderer()
    while (line := requests.readline()).endswith(b"\n"):
        request = json.loads(line)
        n = request["n"]
        data = requests.read(n * n * 4)
        if len(data) < n * n * 4:  # the parent process died while it asked
            return
        gram = np.frombuffer(data, np.float32).reshape(n, n)
        try:
            picture = renderer.png(gram, request["title"], tuple(request["boundaries"]))
            error = ""
        except Exception as problem:  # one bad picture must not cost the others
            picture, error = b"", repr(problem)
        head = json.dumps({"size": len(picture), "error": error})
        answers.write(head.encode() + b"\n" + picture)
        answers.flush()


def main() -> None:
    """Serve the parent process; whatever libraries print goes to standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if hasattr(os, "nice"):
        os.nice(10)  # a picture can wait for a training step, not the other way round
    try:
        serve(sys.stdin.buffer, answers)
    except BrokenPipeError:  # the parent process died while it was answered
        os._exit(1)  # without another attempt to send what is left


if __name__ == "__main__":
    main()
