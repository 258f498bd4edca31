"""The training job as a command, on stand-ins that train in a second."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

STANDIN = Path(__file__).parent / "standin"
ROOT = Path(__file__).parents[2]

Done = subprocess.CompletedProcess[str]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Done]:
    """Run the job in `tmp_path` with the stand-ins."""

    def run(
        *overrides: str, flags: tuple[str, ...] = (), logger: str = "csv", steps: int = 20
    ) -> Done:
        command = [sys.executable, "-m", "project.train", f"--config-dir={STANDIN}/conf", *flags]
        command += ["data=standin", "model=standin", "callbacks.knn_probe=null"]
        command += [f"logger={logger}", f"trainer.max_steps={steps}", *overrides]
        path = os.pathsep.join([str(ROOT), str(STANDIN)])
        return subprocess.run(
            command,
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": path,
                "OMP_NUM_THREADS": "1",
                # Ray would write a token into the home directory.
                "RAY_AUTH_MODE": "disabled",
            },
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            # Whoever starts the tests in the background has them, and us, ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    return run
