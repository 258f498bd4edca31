"""Pictures for TensorBoard, and its page of custom scalars."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy
from typing_extensions import override

from gramscope.callbacks.loggers.charts import Charts
from gramscope.callbacks.loggers.sender import Sender, image_of
from gramscope.events import Event

__all__ = ["ToTensorBoard"]


class ToTensorBoard(Sender):
    """Its files take pictures as they are, and it is told which charts belong together."""

    takes_images = prepares = True

    def __init__(self, logger: Any) -> None:
        super().__init__(logger)
        self._charts: Charts | None = None

    @override
    def prepare(self, event: Event, step: int) -> None:
        if self._charts is None:
            with suppress(Exception):  # they are an extra, and no reason to be without the picture
                self.logger.experiment.flush()
                self._charts = Charts.of(self.logger, Path(self.logger.log_dir))

    @override
    def send(self, event: Event, numbers: dict[str, float], step: int, prepared: Any) -> None:
        if event.png is not None:
            self._add_image(event, event.png, step)
        super().send(event, numbers, step, prepared)
        layout = None if self._charts is None else self._charts.with_chart_of(numbers)
        if layout is not None:
            self.logger.experiment.add_custom_scalars(layout)

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


def _size(png: bytes) -> dict[str, int]:
    """As a PNG file's first bytes say."""
    width, height = struct.unpack(">II", png[16:24])
    return {"width": width, "height": height, "colorspace": 3}  # red, green, blue
