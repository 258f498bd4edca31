"""Pictures, captions, summary values, alerts and matrices for Weights & Biases."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from typing_extensions import override

from gramscope.callbacks.findings import last_numbers
from gramscope.callbacks.loggers.sender import Sender, image_of, name_of_matrix
from gramscope.diagnosis import number_of
from gramscope.events import Event

__all__ = ["ToWandb", "artifact_name", "caption_of"]

_AXIS = "trainer/global_step"
"""What Lightning logs beside everything, and has charts drawn over."""
_WORST = {"low": "min", "high": "max", "both": "min,max"}
_LONGEST = 128
"""Characters of an artifact's name."""


class ToWandb(Sender):
    """All of an event goes in one row; W&B's own `step=`, which drops rows, is never given."""

    takes_images = takes_files = prepares = True

    def __init__(self, logger: Any) -> None:
        super().__init__(logger)
        self._defined: set[str] = set()

    @property
    @override
    def is_off(self) -> bool:
        # W&B itself stopped reading ``WANDB_DISABLED`` in one of its releases; people still set it.
        switched_off = os.environ.get("WANDB_DISABLED", "").lower() in ("true", "1", "yes", "on")
        return switched_off or os.environ.get("WANDB_MODE") == "disabled"

    @override
    def prepare(self, event: Event, step: int) -> Any:
        return _image(event)  # which decodes the picture: 5 ms

    @override
    def send(self, event: Event, numbers: dict[str, float], step: int, prepared: Any) -> None:
        row: dict[str, Any] = dict(numbers)
        if prepared is not None:
            row[event.log_key] = prepared
        self._define(row)
        self.logger.log_metrics(row, step=step)

    @override
    def send_matrix(self, event: Event, npz: bytes) -> None:
        """Each event's is a version of one artifact, which is called by run and picture."""
        import wandb

        run = self.logger.experiment
        artifact = wandb.Artifact(
            artifact_name(event.log_key, run.id),
            type="gram_matrix",
            description=caption_of(event),
            metadata={"step": event.step, "n": event.n, "world_size": event.world_size},
        )
        with artifact.new_file(name_of_matrix(event), mode="wb") as file:
            file.write(npz)
        run.log_artifact(artifact, aliases=["latest", f"step-{event.step}"])  # asks its server

    @override
    def alert(self, title: str, text: str) -> None:
        self.logger.experiment.alert(title=title, text=text, level="WARN")

    def _define(self, keys: Iterable[str]) -> None:
        """Say of new keys what their axis is, and that the run is to keep the last and the worst.

        Lightning says the former of all keys, but not in a run that the program has started.
        """
        for key in keys:
            if key not in self._defined:
                self._defined.add(key)
                with suppress(Exception):  # as for one with a star in it: it is logged all the same
                    self._define_one(key)

    def _define_one(self, key: str) -> None:
        number = number_of(key)
        worst = _WORST.get((number and number.bad) or "")
        summary = {"summary": f"{worst},last"} if worst else {}
        self.logger.experiment.define_metric(
            self._with_prefix(key), step_metric=self._axis, step_sync=True, **summary
        )

    @property
    def _axis(self) -> str:
        settings = getattr(self.logger, "_wandb_init", {})
        return "global_step" if settings.get("sync_tensorboard") else _AXIS

    def _with_prefix(self, key: str) -> str:
        prefix = getattr(self.logger, "_prefix", "")
        return f"{prefix}{self.logger.LOGGER_JOIN_CHAR}{key}" if prefix else key


def caption_of(event: Event) -> str:
    """What a reader wants below the picture: what it is of, the state, the headline numbers."""
    said = [event.name, f"step {event.step}", f"N = {event.n}"]
    said += [event.state.title] if event.state else []
    numbers = last_numbers(event.metrics)
    return ", ".join(said) + (f": {numbers}" if numbers else "")


def artifact_name(log_key: str, run: str) -> str:
    """What the artifact of a picture's matrices is called, in characters that W&B takes."""
    key = re.sub(r"[^\w.-]", ".", log_key, flags=re.ASCII)
    return f"{key[: _LONGEST - len(run) - 1]}-{run}"


def _image(event: Event) -> Any:
    import wandb

    image = str(event.picture) if event.picture else image_of(event)
    return wandb.Image(image, caption=caption_of(event))
