"""A progress bar with one health number beside the loss."""

from __future__ import annotations

import logging
from typing import Any

from typing_extensions import override

from gramscope.callbacks._lightning import TQDMProgressBar
from gramscope.config.callbacks import MonitorProgressBarConfig, watching
from gramscope.config.settings import configured_by
from gramscope.diagnosis import NUMBERS, STATES, number_of
from gramscope.monitor.boundary import guarded

__all__ = ["MonitorProgressBar"]

log = logging.getLogger(__name__)

_SHOWN = next(number for number in NUMBERS.values() if number.headline)


@configured_by(MonitorProgressBarConfig)
class MonitorProgressBar(TQDMProgressBar):
    """Lightning's progress bar, without the run's version, with a monitor's latest number.

    Shown is the mean off-diagonal cosine similarity of the first callback that watches a
    representation, from its last event: near 1 all samples look alike to the model. Of several
    features it is that of the first, ``<feature>/offdiag_mean``. Beside it stands ``state``, where
    a diagnosis says that something has gone wrong.
    """

    def __init__(self, refresh_rate: int = 1) -> None:
        self.config = MonitorProgressBarConfig.of(locals())
        self.attached: str | None = None
        super().__init__(refresh_rate=refresh_rate)

    @override
    @guarded(dict)
    def get_metrics(self, trainer: Any, pl_module: Any) -> dict[str, Any]:
        shown: dict[str, Any] = dict(super().get_metrics(trainer, pl_module))
        shown.pop("v_num", None)
        for callback in watching(trainer.callbacks):
            latest = callback.latest
            key = next((key for key in latest if number_of(key) is _SHOWN), None)
            if key is not None:
                shown[key] = round(latest[key], _SHOWN.decimals)
                break
        return shown | _alarms(trainer)

    def recover(self, error: Exception, *_: Any, **__: Any) -> None:
        """Do without what the bar was to show."""
        log.debug("The progress bar failed with %r.", error)


def _alarms(trainer: Any) -> dict[str, str]:
    states = [callback.diagnosis for callback in watching(trainer.callbacks)]
    alarms = [state for state in states if STATES[state].alarm]
    return {"state": alarms[0]} if alarms else {}
