"""Hands finished events to loggers, through each logger's own public interface.

Loggers are told apart by class name, so that both copies of Lightning and subclasses work and no
logger's library is imported that the run does not use.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy
import PIL.Image

from gramscope.monitor import Event

__all__ = ["publish", "takes_images"]


def takes_images(logger: Any) -> bool:
    """Whether pictures can be handed to this logger.

    Args:
        logger: A Lightning logger.
    """
    return _image_sender(logger) is not None


def takes_prepared(logger: Any) -> bool:
    """Whether what `prepare` makes is for this logger.

    Args:
        logger: A Lightning logger.
    """
    return _image_sender(logger) is _to_wandb and not _is_switched_off(logger)


def prepare(event: Event) -> Any:
    """Make W&B's image of a picture, which decodes it: 5 ms that the training thread is spared.

    Args:
        event: With a picture.

    Returns:
        A `wandb.Image`; ``None`` without W&B or if it refuses, and the logger will say so.
    """
    try:
        return _wandb_image(event)
    except Exception:  # tried again, and reported, when it is published
        return None


def publish(event: Event, loggers: Sequence[Any], prefix: str) -> list[str]:
    """Hand one event to every logger; never raises.

    An event whose picture nobody took and that is not on disk either ends as skipped.

    Args:
        event: With status ``logged``.
        loggers: The trainer's.
        prefix: Of the scalars' keys.

    Returns:
        What went wrong, a sentence for each failing logger.
    """
    failures: list[str] = []
    taken = event.kept
    scalars = {f"{prefix}/{name}": value for name, value in event.metrics.items()}
    for logger in loggers:
        if _is_switched_off(logger):
            taken = True  # by somebody who wants none
            continue
        try:
            send = _image_sender(logger)
            if send is not None:
                send(logger, event, scalars)
                taken = True
            else:
                logger.log_metrics(scalars, step=event.step)
        except Exception as error:
            name = type(logger).__name__
            failures.append(f"{name} failed with {error!r}")
            event.remark(f"publish_failed: {name}")
    if not taken:
        event.skip("not_taken")
    return failures


def _is_switched_off(logger: Any) -> bool:
    """Whether the environment says that W&B is not to be used.

    W&B itself stopped reading ``WANDB_DISABLED`` in one of its releases; people still set it.
    """
    switched_off = os.environ.get("WANDB_DISABLED", "").lower() in ("true", "1", "yes", "on")
    return (switched_off or os.environ.get("WANDB_MODE") == "disabled") and any(
        base.__name__ == "WandbLogger" for base in type(logger).__mro__
    )


def _image_sender(logger: Any) -> Callable[[Any, Event, dict[str, float]], None] | None:
    names = {base.__name__ for base in type(logger).__mro__}
    if "WandbLogger" in names:
        return _to_wandb
    if "TensorBoardLogger" in names:
        return _to_tensorboard
    if "MLFlowLogger" in names:
        return _to_mlflow
    if callable(getattr(logger, "log_image", None)):  # modelled on WandbLogger
        return _to_log_image
    return None


def _to_wandb(logger: Any, event: Event, scalars: dict[str, float]) -> None:
    # One row for all. `step` is the logger's axis, `trainer/global_step`; W&B's own `step=`, which
    # drops rows, is never given. `log_image` would decode the picture here once more.
    image = event.prepared if event.prepared is not None else _wandb_image(event)
    logger.log_metrics({**scalars, event.log_key: image}, step=event.step)


def _wandb_image(event: Event) -> Any:
    import wandb

    return wandb.Image(str(event.picture) if event.picture else _image(event))


def _to_log_image(logger: Any, event: Event, scalars: dict[str, float]) -> None:
    image = str(event.picture) if event.picture else _image(event)
    logger.log_image(key=event.log_key, images=[image], step=event.step)
    logger.log_metrics(scalars, step=event.step)


def _to_tensorboard(logger: Any, event: Event, scalars: dict[str, float]) -> None:
    writer = getattr(logger.experiment, "file_writer", None)
    if type(writer).__module__ == "torch.utils.tensorboard.writer":
        # The PNG goes in as it is: `add_image` would encode it again, on the training thread.
        from tensorboard.compat.proto.summary_pb2 import Summary

        image = Summary.Image(encoded_image_string=event.png, **_size(event))
        summary = Summary(value=[Summary.Value(tag=event.log_key, image=image)])
        writer.add_summary(summary, event.step)  # type: ignore[union-attr]
    else:  # tensorboardX
        pixels = numpy.asarray(_image(event))
        logger.experiment.add_image(event.log_key, pixels, event.step, dataformats="HWC")
    logger.log_metrics(scalars, step=event.step)


def _to_mlflow(logger: Any, event: Event, scalars: dict[str, float]) -> None:
    image = _image(event)
    logger.experiment.log_image(logger.run_id, image, key=event.log_key, step=event.step)
    logger.log_metrics(scalars, step=event.step)


def _image(event: Event) -> PIL.Image.Image:
    assert event.png is not None
    return PIL.Image.open(io.BytesIO(event.png)).convert("RGB")


def _size(event: Event) -> dict[str, int]:
    """As a PNG file's first bytes say."""
    assert event.png is not None
    width, height = struct.unpack(">II", event.png[16:24])
    return {"width": width, "height": height, "colorspace": 3}  # red, green, blue
