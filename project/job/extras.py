"""What the job was asked for and the environment lacks: with which extra it comes."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from project.job.shell import short

__all__ = ["how_to_get"]

_EXTRAS = {
    "sweep": ("hydra/launcher/joblib", "hydra/sweeper/optuna", "hydra/sweeper/sampler/tpe"),
    "slurm": ("hydra/launcher/submitit_slurm", "hydra/launcher/submitit_local"),
    "ray": ("hydra/launcher/ray",),
    "train": (
        *("einops", "monai", "nibabel", "nilearn", "pytorch_lightning", "sklearn", "tensorboard"),
        "tqdm",
    ),
}
"""Configs, and packages as they are imported."""


def how_to_get(error: BaseException | None) -> str | None:
    """Say how to install what an error says is missing; None if that comes with no extra.

    Args:
        error: What ended the program; those that led to it count as well.
    """
    for missing in filter(None, map(_missing, _chain(error))):
        for extra, names in _EXTRAS.items():
            if missing in names:
                install = f"{short(sys.executable)} -m pip install 'hydra-gramscope[{extra}]'"
                return f"{missing} comes with an extra: {install}"
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _missing(error: BaseException) -> str | None:
    if isinstance(error, ModuleNotFoundError):
        return (error.name or "").partition(".")[0]
    return getattr(error, "missing_cfg_file", None)  # what Hydra raises
