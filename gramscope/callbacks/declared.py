"""What a model and a batch say about the rows: views, ids and labels, how logits are assigned.

A LightningModule, or its ``model``, may have either of two methods, called with the batch at the
start of a due step::

    def feature_views(self, batch):
        return {"teacher_cls_token": 2, "student_cls_token": {"count": 6, "alike": 2}}

    def dino_assignment(self, batch):
        return {
            "teacher": "teacher_cls_token",  # feature keys of the logits
            "student": "student_glob_cls_token",
            "teacher_temperature": 0.04,
            "student_temperature": 0.1,
            "center": self.center,  # [K] or None
            "sinkhorn_iterations": None,  # or how many
        }

The first gives, by feature key, what the parameter `views` takes. They must neither wait for a
device nor draw random numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from gramscope.callbacks.probing.batches import samples_of
from gramscope.config.callbacks import MonitorConfig
from gramscope.config.views import Views
from gramscope.config.views import views as checked_views
from gramscope.events import Reason
from gramscope.monitor.capture import StepCapture
from gramscope.monitor.features import FeatureError, lookup

__all__ = ["Declared"]


class Declared:
    """Reads it for one callback.

    Args:
        pl_module: The LightningModule.
        config: The callback's settings, which win over what the model says.
    """

    def __init__(self, pl_module: Any, config: MonitorConfig) -> None:
        self._owners = [pl_module, getattr(pl_module, "model", None)]
        self._config = config

    def tell(self, capture: StepCapture, batch: Any, *, assignment: bool) -> None:
        """Tell a capture of its next micro-batch; what goes wrong is remarked.

        Args:
            capture: That of the step.
            batch: What the training step is about to get.
            assignment: Whether it is to hold how logits are assigned.
        """
        views = self._views(capture, batch)
        capture.begin_micro_batch(views, self.marks(batch), samples_of(batch))
        if assignment and len(self._config.watched) > 1:
            capture.assignment = self._assignment(capture, batch)

    def _views(self, capture: StepCapture, batch: Any) -> dict[str, Views | None]:
        watched = self._config.watched
        if self._config.views is not None:
            return dict.fromkeys(watched, self._config.views)
        try:
            said = self._said("feature_views", batch) or {}
            return {role: checked_views(key, said.get(key)) for role, key in watched.items()}
        except Exception as error:  # the rows can do without
            capture.remarks[f"feature_views: {error!r}"] = None
            return {}

    def _assignment(self, capture: StepCapture, batch: Any) -> dict[str, Any] | None:
        try:
            said = self._said("dino_assignment", batch)
            # The model goes on changing its centre.
            return said and {
                k: v.detach().clone() if isinstance(v, Tensor) else v for k, v in said.items()
            }
        except Exception as error:
            capture.remarks[f"dino_assignment: {error!r}"] = None
            return None

    def _said(self, method: str, batch: Any) -> Any:
        for owner in self._owners:
            said = getattr(owner, method, None)
            if callable(said):
                return said(batch)
        return None

    def marks(self, batch: Any) -> dict[str, Any]:
        """Ids and labels of a batch's samples, or why there are none."""
        config = self._config
        keys = {"sample_id": config.sample_id_key, "label": config.label_key}
        return {name: _found(batch, f"{name}_key", key) for name, key in keys.items() if key}


def _found(batch: Any, name: str, key: str) -> Any:
    try:
        return lookup(batch, key)
    except KeyError:
        there = [*batch] if isinstance(batch, Mapping) else []
        if isinstance(batch, Sequence) and not isinstance(batch, str):
            there = [*range(len(batch))]
        listed = ", ".join(map(str, there[:24])) or f"a {type(batch).__name__} without keys"
        return FeatureError(
            Reason.missing_key, f"{name}={key!r} is not in the batch; there is: {listed}"
        )
