"""Which loggers are handed what."""

from __future__ import annotations

from typing import Any

from gramscope.callbacks.loggers.sender import Sender
from gramscope.callbacks.loggers.to_log_image import ToLogImage
from gramscope.callbacks.loggers.to_mlflow import ToMLflow
from gramscope.callbacks.loggers.to_tensorboard import ToTensorBoard
from gramscope.callbacks.loggers.to_wandb import ToWandb

__all__ = ["sender_for", "takes_images"]

_KNOWN: dict[str, type[Sender]] = {
    "WandbLogger": ToWandb,
    "TensorBoardLogger": ToTensorBoard,
    "MLFlowLogger": ToMLflow,
}
"""By the name of a logger's class, or of one that it is made from."""


def sender_for(logger: Any) -> Sender:
    """What hands events to a logger."""
    return _kind(logger)(logger)


def takes_images(logger: Any) -> bool:
    """Whether pictures can be handed to this logger."""
    return _kind(logger).takes_images


def _kind(logger: Any) -> type[Sender]:
    names = {base.__name__ for base in type(logger).__mro__}
    for name, kind in _KNOWN.items():
        if name in names:
            return kind
    return ToLogImage if ToLogImage.suits(logger) else Sender
