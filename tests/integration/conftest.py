"""The training job as a command, on stand-ins that train in a second."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import Commands, Done

Run = Callable[..., Done]


@pytest.fixture
def run(commands: Commands) -> Run:
    """Run the job with the stand-ins; those who want the same share one run."""

    def run(
        *overrides: str,
        flags: tuple[str, ...] = (),
        logger: str = "csv",
        steps: int = 20,
        **options: bool,
    ) -> Done:
        words = ["scripts/train", "--config-dir=conf", *flags, "data=standin", "model=standin"]
        words += ["callbacks.knn_probe=null", "callbacks.collapse_monitor=null"]
        words += [f"logger={logger}", f"trainer.max_steps={steps}"]
        return commands.run(
            Path(__file__).parent / "standin", shlex.join([*words, *overrides]), **options
        )

    return run
