"""Hands finished events to loggers, through each logger's own public interface.

Loggers are told apart by class name, so that both copies of Lightning and subclasses work and no
logger's library is imported that the run does not use.
"""

from __future__ import annotations

import inspect
import io
import logging
import os
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy
import PIL.Image

from gramscope.diagnosis import State
from gramscope.events import Event, Reason

__all__ = ["Publisher", "numbers_of", "takes_images"]

log = logging.getLogger(__name__)


def takes_images(logger: Any) -> bool:
    """Whether pictures can be handed to this logger."""
    return _image_sender(logger) is not None


class Publisher:
    """Hands events to all of a trainer's loggers, and says what is wrong; never raises.

    Args:
        loggers: The trainer's.
        prefix: Of the keys of numbers.
        of: What is watched, where a state does not say it; empty: nothing is to be added.
        alert: Whether to say that an alarm has begun or ended.
    """

    def __init__(
        self, loggers: Sequence[Any], prefix: str, of: str = "", *, alert: bool = False
    ) -> None:
        self._loggers = loggers
        self._prefix = prefix
        self._of = of
        self._alert = alert
        self._warned: set[str] = set()
        self.axis: dict[int, int] = {}
        """By optimizer step, where an event belongs on the axis of what the module logs."""

    def __call__(self, event: Event) -> None:
        """Hand over one event.

        One whose picture nobody took and that is not on disk either ends as skipped.
        """
        step = self.axis.pop(event.step, event.step)
        if self._alert and event.state is not None and event.change is not None:
            self._announce(event, event.state)
        scalars = {f"{self._prefix}/{name}": value for name, value in numbers_of(event).items()}
        if not event.logged and not scalars:
            return
        taken = [self._hand_over(logger, event, scalars, step) for logger in self._loggers]
        if event.logged and not event.kept and not any(taken):
            event.skip(Reason.not_taken)

    @property
    def prepare(self) -> Callable[[Event], Any] | None:
        """Makes W&B's image, which decodes the picture: 5 ms that the training thread is spared.

        ``None`` where no logger has a use for it.
        """
        for logger in self._loggers:
            if _is_wandb_in_use(logger):
                return _prepare
        return None

    def _announce(self, event: Event, state: State) -> None:
        """Say what has ended, and what has begun."""
        start = f"{self._of}: " if self._of else ""
        if event.before is not None and event.before.alarm:
            log.info("%s%s has ended at step %d.", start, event.before.title, event.step)
        if not state.alarm:
            return
        log.warning("%s%s", start, state.text)
        for logger in filter(_is_wandb_in_use, self._loggers):
            try:
                _alert(logger, f"{start}{state.title}", state.text)
            except Exception as error:
                self._failed(type(logger).__name__, event, error)

    def _hand_over(self, logger: Any, event: Event, scalars: dict[str, float], step: int) -> bool:
        """Whether the picture is where it was to go."""
        if _is_switched_off(logger):
            return True  # by somebody who wants none
        send = _image_sender(logger) if event.png is not None else None
        try:
            if send is None:
                logger.log_metrics(scalars, step=step)
            else:
                send(logger, event, scalars, step)
        except Exception as error:
            self._failed(type(logger).__name__, event, error)
            return False
        return send is not None or event.png is None

    def _failed(self, name: str, event: Event, error: Exception) -> None:
        event.remark(f"{Reason.publish_failed.name}: {name}")
        failure = f"{name} failed with {error!r}"
        if failure not in self._warned:
            self._warned.add(failure)
            log.warning("%s at step %d; training goes on.", failure, event.step)


def numbers_of(event: Event) -> dict[str, float]:
    """The numbers of a logged event, and the state's code of any that has one."""
    state = {} if event.state is None else {"diagnosis": event.state.code}
    return {**(event.metrics if event.logged else {}), **state}


def _is_wandb_in_use(logger: Any) -> bool:
    return _image_sender(logger) is _to_wandb and not _is_switched_off(logger)


def _alert(logger: Any, title: str, text: str) -> None:
    logger.experiment.alert(title=title, text=text, level="WARN")


def _prepare(event: Event) -> Any:
    try:
        return _wandb_image(event)
    except Exception:  # tried again, and reported, when it is published
        return None


def _is_switched_off(logger: Any) -> bool:
    """Whether the environment says that W&B is not to be used.

    W&B itself stopped reading ``WANDB_DISABLED`` in one of its releases; people still set it.
    """
    switched_off = os.environ.get("WANDB_DISABLED", "").lower() in ("true", "1", "yes", "on")
    return (switched_off or os.environ.get("WANDB_MODE") == "disabled") and any(
        base.__name__ == "WandbLogger" for base in type(logger).__mro__
    )


def _image_sender(logger: Any) -> Callable[[Any, Event, dict[str, float], int], None] | None:
    names = {base.__name__ for base in type(logger).__mro__}
    if "WandbLogger" in names:
        return _to_wandb
    if "TensorBoardLogger" in names:
        return _to_tensorboard
    if "MLFlowLogger" in names:
        return _to_mlflow
    if _log_image_takes(logger, key="", images=[]):  # as that of WandbLogger
        return _to_log_image
    return None


def _log_image_takes(logger: Any, **arguments: Any) -> bool:
    """Whether a logger has a `log_image` that can be called so."""
    with suppress(AttributeError, TypeError, ValueError):
        inspect.signature(logger.log_image).bind(**arguments)
        return True
    return False


def _to_wandb(logger: Any, event: Event, scalars: dict[str, float], step: int) -> None:
    # One row for all. `step` is the logger's axis, `trainer/global_step`; W&B's own `step=`, which
    # drops rows, is never given. `log_image` would decode the picture here once more.
    image = event.prepared if event.prepared is not None else _wandb_image(event)
    logger.log_metrics({**scalars, event.log_key: image}, step=step)


def _wandb_image(event: Event) -> Any:
    import wandb

    return wandb.Image(str(event.picture) if event.picture else _image(event))


def _to_log_image(logger: Any, event: Event, scalars: dict[str, float], step: int) -> None:
    image = str(event.picture) if event.picture else _image(event)
    at = {"step": step} if _log_image_takes(logger, key="", images=[], step=0) else {}
    logger.log_image(key=event.log_key, images=[image], **at)
    logger.log_metrics(scalars, step=step)


def _to_tensorboard(logger: Any, event: Event, scalars: dict[str, float], step: int) -> None:
    writer = getattr(logger.experiment, "file_writer", None)
    if writer is not None and type(writer).__module__ == "torch.utils.tensorboard.writer":
        # The PNG goes in as it is: `add_image` would encode it again, on the training thread.
        from tensorboard.compat.proto.summary_pb2 import Summary

        image = Summary.Image(encoded_image_string=event.png, **_size(event))
        summary = Summary(value=[Summary.Value(tag=event.log_key, image=image)])
        writer.add_summary(summary, step)
    else:  # tensorboardX
        pixels = numpy.asarray(_image(event))
        logger.experiment.add_image(event.log_key, pixels, step, dataformats="HWC")
    logger.log_metrics(scalars, step=step)


def _to_mlflow(logger: Any, event: Event, scalars: dict[str, float], step: int) -> None:
    image = _image(event)
    logger.experiment.log_image(logger.run_id, image, key=event.log_key, step=step)
    logger.log_metrics(scalars, step=step)


def _image(event: Event) -> PIL.Image.Image:
    assert event.png is not None
    return PIL.Image.open(io.BytesIO(event.png)).convert("RGB")


def _size(event: Event) -> dict[str, int]:
    """As a PNG file's first bytes say."""
    assert event.png is not None
    width, height = struct.unpack(">II", event.png[16:24])
    return {"width": width, "height": height, "colorspace": 3}  # red, green, blue
