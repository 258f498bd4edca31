"""What every test gets: a process that is as clean afterwards as it was before."""

import os
import sys
from collections.abc import Iterator

import pytest

from tests.commands import Commands

# No test uploads anything, whatever the machine's settings; and W&B's processes stay quiet.
os.environ["WANDB_MODE"] = "offline"
os.environ["WANDB_SILENT"] = "true"
for name in ("WANDB_DISABLED", "WANDB_PROJECT", "WANDB_RUN_ID", "WANDB_DIR", "MLFLOW_TRACKING_URI"):
    os.environ.pop(name, None)


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """Runs command lines with the installed wheel, each once for all tests."""
    commands = Commands(tmp_path_factory.getbasetemp())

    yield commands

    commands.close()


# By these Lightning and torch recognise a process that somebody else has launched.
LAUNCHED = {"LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}


@pytest.fixture(autouse=True)
def clean_process() -> Iterator[None]:
    """Fail a test that leaves a process group or the environment of one; undo what it left."""
    before = dict(os.environ)

    yield

    left = LAUNCHED & (os.environ.keys() - before.keys())
    os.environ.clear()
    os.environ.update(before)
    group = _leave_process_group()
    _clear_hydra()
    assert not left, f"environment variables left behind: {sorted(left)}"
    assert not group, "a process group was left behind"


def _leave_process_group() -> bool:
    dist = sys.modules.get("torch.distributed")
    if dist is None or not dist.is_available() or not dist.is_initialized():
        return False
    dist.destroy_process_group()
    return True


def _clear_hydra() -> None:
    module = sys.modules.get("hydra.core.global_hydra")
    if module is not None:
        module.GlobalHydra.instance().clear()
