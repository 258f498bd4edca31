"""Pictures for TensorBoard, and its page of custom scalars."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any

import numpy
from typing_extensions import override

from gramscope.callbacks.loggers.layout import LAYOUT
from gramscope.callbacks.loggers.sender import Sender, image_of
from gramscope.events import Event

__all__ = ["ToTensorBoard"]

_TAG_OF_LAYOUTS = b"custom_scalars__config__"


class ToTensorBoard(Sender):
    """A run has room for one layout of custom scalars: whoever has written one keeps it."""

    takes_images = prepares = True

    def __init__(self, logger: Any) -> None:
        super().__init__(logger)
        self._looked = False

    @override
    def prepare(self, event: Event, step: int) -> bool:
        """Whether there is no layout yet, which takes long to see in a run that is resumed."""
        if self._looked:
            return False
        self._looked = True
        self.logger.experiment.flush()
        return not _has_layout(Path(self.logger.log_dir))

    @override
    def send(self, event: Event, numbers: dict[str, float], step: int, prepared: Any) -> None:
        if prepared:
            self.logger.experiment.add_custom_scalars(LAYOUT)
        if event.png is not None:
            self._add_image(event, event.png, step)
        self.logger.log_metrics(numbers, step=step)

    def _add_image(self, event: Event, png: bytes, step: int) -> None:
        writer = getattr(self.logger.experiment, "file_writer", None)
        if writer is not None and type(writer).__module__ == "torch.utils.tensorboard.writer":
            # The PNG goes in as it is: `add_image` would encode it again, on training's thread.
            from tensorboard.compat.proto.summary_pb2 import Summary

            image = Summary.Image(encoded_image_string=png, **_size(png))
            summary = Summary(value=[Summary.Value(tag=event.log_key, image=image)])
            writer.add_summary(summary, step)
        else:  # tensorboardX
            pixels = numpy.asarray(image_of(event))
            self.logger.experiment.add_image(event.log_key, pixels, step, dataformats="HWC")


def _has_layout(directory: Path) -> bool:
    return any(_holds_layout(file) for file in directory.glob("events.out.tfevents.*"))


def _holds_layout(file: Path) -> bool:
    if not file.stat().st_size:
        return False  # there is no map of nothing
    with file.open("rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(_TAG_OF_LAYOUTS) >= 0


def _size(png: bytes) -> dict[str, int]:
    """As a PNG file's first bytes say."""
    width, height = struct.unpack(">II", png[16:24])
    return {"width": width, "height": height, "colorspace": 3}  # red, green, blue
