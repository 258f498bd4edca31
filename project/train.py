"""The command of the training job: `scripts/train`.

What needs torch is imported once there is a config to train with, so that `--help`, shell
completion and a misspelt override are answered at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig

from project.job.extras import how_to_get

__all__ = ["CONFIG_DIR", "main"]

# What Hydra asks for from 1.4 on, and what it no longer wants to hear.
_SETTINGS: dict[str, Any] = (
    {"version_base": "1.3"}
    if hydra.__version__ < "1.4"
    else {"execution_whitelist": ["gramscope.*", "project.*", "pytorch_lightning.*", "torch.*"]}
)

CONFIG_DIR = Path(__file__).resolve().parents[1] / "conf"


@hydra.main(**_SETTINGS, config_path=str(CONFIG_DIR), config_name="train")
def _hydra_main(cfg: DictConfig) -> float | list[float] | None:
    from project.job.run import train

    return train(cfg)


def main() -> None:
    """Run the command line."""
    try:
        _hydra_main()
    except BrokenPipeError:
        # `--help | head`: nobody reads on. Python would complain once more while it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        raise SystemExit(130) from None
    except SystemExit as end:  # Hydra has told the error
        if advice := how_to_get(end.__context__):
            sys.stderr.write(f"{advice}\n")
        raise


if __name__ == "__main__":
    if {"-sc", "--shell-completion"} & {*sys.argv}:
        # Hydra completes the program that was started: the script, not Python.
        sys.argv[0] = "scripts/train"
    # From the package, so that what is pickled for another process can be found there.
    from project.train import main as run

    run()
