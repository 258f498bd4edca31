"""Pictures and matrices for MLflow, whose client may be called on any thread."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from typing_extensions import override

from gramscope.callbacks.loggers.sender import Sender, image_of, name_of_matrix
from gramscope.events import Event
from gramscope.events.files import directory_of

__all__ = ["ToMLflow"]


class ToMLflow(Sender):
    """MLflow encodes each picture twice, which takes 0.1 s, and then may have far to send it."""

    takes_images = takes_files = prepares = True

    @override
    def prepare(self, event: Event, step: int) -> None:
        client, key = self.logger.experiment, _allowed(event.log_key)
        client.log_image(self.logger.run_id, image_of(event), key=key, step=step)

    @override
    def send_matrix(self, event: Event, npz: bytes) -> None:
        where = directory_of(Path("matrices"), _allowed(event.log_key)).as_posix()
        with tempfile.TemporaryDirectory(prefix="gramscope-") as directory:
            file = Path(directory) / name_of_matrix(event)
            file.write_bytes(npz)
            self.logger.experiment.log_artifact(self.logger.run_id, str(file), where)


def _allowed(key: str) -> str:
    """Without the characters that MLflow refuses, as Lightning has the keys of numbers."""
    return re.sub(r"[^\w./ -]", "", key, flags=re.ASCII)
