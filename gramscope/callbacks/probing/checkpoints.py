"""A row of checkpoints, looked at one after the other."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from gramscope.config.callbacks import watching
from gramscope.config.probes import ProbeConfig

__all__ = ["probe_checkpoints", "step_of"]


def probe_checkpoints(
    trainer: Any, model: Any, folder: str | Path | Iterable[str | Path], **data: Any
) -> list[int]:
    """Have the trainer's probes look at each of a row of checkpoints, the earliest first.

    The gram matrices of the same samples, their drift and the film are then of the run that left
    them, as if the probe had been there. Nothing is trained.

    Args:
        trainer: With a `GramProbeCallback`, or a `GramPatchCallback`, among its callbacks.
        model: The LightningModule, whose weights are replaced by those of the checkpoints.
        folder: Where the checkpoints are (``*.ckpt``, also below it), or the checkpoints.
        data: As of ``trainer.validate``: ``datamodule`` or ``dataloaders``.

    Returns:
        The steps of the checkpoints, in order.

    Raises:
        ValueError: If there is no checkpoint, or none of our callbacks to look at them, or one
            is of another model or cannot be read.
    """
    callbacks = watching(trainer.callbacks)
    if not any(isinstance(callback.config, ProbeConfig) for callback in callbacks):
        raise ValueError(
            "Expected `trainer` to have a GramProbeCallback or a GramPatchCallback among its "
            "callbacks, which look at checkpoints, but it has none."
        )
    found = _by_step(trainer, folder)
    limit, trainer.limit_val_batches = trainer.limit_val_batches, 1  # probes read for themselves
    try:
        for path in found.values():
            _validate(trainer, model, path, data)
    finally:
        trainer.limit_val_batches = limit
    return [*found]


def _validate(trainer: Any, model: Any, path: Path, data: dict[str, Any]) -> None:
    try:
        with warnings.catch_warnings():
            # Of those that trained: here others look.
            warnings.filterwarnings("ignore", "Be aware that when using `ckpt_path`, callbacks")
            trainer.validate(model, ckpt_path=str(path), verbose=False, **data)
    except RuntimeError as error:
        if "loading state_dict" not in str(error):
            raise
        first = " ".join(str(error).split())[:200]
        raise ValueError(f"{path} is a checkpoint of another model: {first} …") from error


def step_of(trainer: Any, path: Any) -> int:
    """The optimizer step at which a checkpoint was saved; the trainer's own where it says none."""
    if path is None:
        return int(trainer.global_step)
    return int(_read(trainer, path).get("global_step", trainer.global_step))


def _by_step(trainer: Any, folder: Any) -> dict[int, Path]:
    """One checkpoint of each step, in order."""
    given = [Path(folder)] if isinstance(folder, (str, Path)) else [*map(Path, folder)]
    paths = [path for one in given for path in ([one] if one.is_file() else _below(one))]
    if not paths:
        named = ", ".join(map(str, given)) or "nothing"
        raise ValueError(f"Expected `folder` to have checkpoints (*.ckpt), but got {named}.")
    found: dict[int, Path] = {}
    for path in sorted({path.resolve() for path in paths}):
        try:
            found.setdefault(step_of(trainer, path), path)
        except Exception as error:
            why = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise ValueError(f"{path} cannot be read as a checkpoint: {why}") from error
    return dict(sorted(found.items()))


def _below(folder: Path) -> Iterator[Path]:
    """Its checkpoints, of which those of sharded weights are directories themselves."""
    if folder.suffix == ".ckpt" and folder.is_dir():
        yield folder
    else:
        yield from folder.rglob("*.ckpt")


def _read(trainer: Any, path: str | Path) -> dict[str, Any]:
    """What a checkpoint holds, its tensors left on the disk where that is possible."""
    with suppress(Exception):  # of a kind that only the application knows, or far away
        file = Path(path) / "meta.pt" if Path(path).is_dir() else path  # of sharded weights
        held = torch.load(file, map_location="cpu", mmap=True, weights_only=True)
        return dict(held)
    return dict(trainer.strategy.load_checkpoint(path))
