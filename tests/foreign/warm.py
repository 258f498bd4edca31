"""A Python that has imported torch and Lightning already, and forks for each script it is given.

Importing them is nine tenths of the time of a short training.
The documents show some dozens, which differ in what comes after the imports; each runs in a process
of its own that starts with the imports done.
What is about starting itself (help, completion, launchers, several processes) gets a cold Python,
and so does everything in the other test modules.

`serve` runs in the installed environment; `ask` takes the place of its `python` and of its console
scripts.  Only the standard library is used.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import runpy
import select
import signal
import socket
import sys
import time
from pathlib import Path

COLD = re.compile(
    r"(^|\s)(--help|--cfg|--info|--hydra-help|-sc)\b|launch(er)?=|strategy=|trainer=ddp|trainer=gpu"
)
PRELOADED = (
    "torch",
    "pytorch_lightning",
    "lightning.pytorch",
    "project.job.run",
    "gramscope.callbacks",
    "project.data.datamodule",
    "project.dinov2.module",
)


def ask(address: str, program: str, arguments: list[str]) -> None:
    """Have a script run, or become the real program if this is not about a script."""
    script = arguments[0] if Path(program).name.startswith("python") and arguments else program
    warm = Path(script).is_file() and (script == program or script.endswith(".py"))
    if not warm or COLD.search(" ".join(arguments)):
        os.execv(program, [program, *arguments])
    argv = arguments if script != program else [program, *arguments]
    request = json.dumps([str(Path.cwd()), dict(os.environ), argv]).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        socket.send_fds(connection, [len(request).to_bytes(4, "big")], [1, 2])
        connection.sendall(request)
        answer = connection.recv(4)
    sys.exit(int.from_bytes(answer, "big") if answer else "the warm Python has died")


def serve(address: str) -> None:
    """Serve until standard input is closed; return in a child, with what it is to run set up."""
    for name in PRELOADED:
        importlib.import_module(name)
    # Nobody waits for the processes that mind the children.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        while True:
            if sys.stdin in select.select([listener, sys.stdin], [], [])[0]:
                sys.exit()
            connection, _ = listener.accept()
            if os.fork() == 0:
                break
            connection.close()
    _mind(connection)


def _mind(connection: socket.socket) -> None:
    """Fork once more; return in the child, tell the client how the child has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, outputs, _, _ = socket.recv_fds(connection, 4, 2)
    request = connection.recv(int.from_bytes(length, "big"), socket.MSG_WAITALL)
    child = os.fork()
    if child == 0:
        connection.close()
        _become(outputs, *json.loads(request))
        return
    code = None
    while code is None:
        finished, status = os.waitpid(child, os.WNOHANG)
        if finished:
            code = os.waitstatus_to_exitcode(status) % 256
        elif select.select([connection], [], [], 0.02)[0]:  # the client is gone
            os.kill(child, signal.SIGKILL)
            os._exit(1)
    connection.sendall(code.to_bytes(4, "big"))
    os._exit(0)


def _become(outputs: list[int], directory: str, variables: dict[str, str], argv: list[str]) -> None:
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(variables)
    time.tzset()
    for target, source in enumerate((os.open(os.devnull, os.O_RDONLY), *outputs)):
        os.dup2(source, target)
    sys.argv = argv
    sys.path[0] = str(Path(argv[0]).parent.absolute())


if __name__ == "__main__":
    if sys.argv[1] == "ask":
        ask(sys.argv[2], sys.argv[3], sys.argv[4:])
    else:
        serve(sys.argv[2])
        runpy.run_path(sys.argv[0], run_name="__main__")
