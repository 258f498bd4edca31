"""A progress bar with one health number beside the loss."""

from __future__ import annotations

from typing import Any

from gramscope.callbacks._lightning import TQDMProgressBar
from gramscope.callbacks.gram import GramMatrixCallback

__all__ = ["MonitorProgressBar"]


class MonitorProgressBar(TQDMProgressBar):
    """Lightning's progress bar, without the run's version, with a monitor's latest number.

    Shown is the mean off-diagonal cosine similarity of the first `GramMatrixCallback`, from its
    last event: near 1 all samples look alike to the model.

    Args:
        refresh_rate: Batches between two updates of the bar; 0 shows none.

    Raises:
        ValueError: If `refresh_rate` is below 0.
    """

    def __init__(self, refresh_rate: int = 1) -> None:
        if refresh_rate < 0:
            raise ValueError(
                f"Expected argument `refresh_rate` to be at least 0, but got {refresh_rate!r}."
            )
        super().__init__(refresh_rate=refresh_rate)

    def get_metrics(self, trainer: Any, pl_module: Any) -> dict[str, Any]:
        """What the bar shows.

        Args:
            trainer: The trainer.
            pl_module: Its module.
        """
        shown: dict[str, Any] = dict(super().get_metrics(trainer, pl_module))
        shown.pop("v_num", None)
        for callback in trainer.callbacks:
            if isinstance(callback, GramMatrixCallback) and "offdiag_mean" in callback.latest:
                shown["offdiag_mean"] = round(callback.latest["offdiag_mean"], 3)
                break
        return shown
