"""The command of the training job: `scripts/train`, or `gramscope-train` where it is installed.

What needs torch is imported once there is a config to train with, so that `--help`, shell
completion and a misspelt override are answered at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

import project
from project.presets import register_job

__all__ = ["config_dir", "main"]


def config_dir() -> Path:
    """Return where `train.yaml` lies: beside the plugin in an installed wheel, else `conf/`."""
    root = Path(project.__file__).resolve().parents[1]
    shipped = root / "hydra_plugins" / "hydra_gramscope" / "conf"
    return shipped if shipped.is_dir() else root / "conf"


# Here and not in the plugin: the probe is of no use to other applications.
register_job()


@hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="train")
def _hydra_main(cfg: DictConfig) -> float | list[float] | None:
    from project.job import train

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


if __name__ == "__main__":
    main()
