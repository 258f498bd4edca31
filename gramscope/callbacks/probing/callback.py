"""What callbacks that watch fixed samples have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from typing_extensions import override

from gramscope.callbacks.base import MonitorCallback
from gramscope.callbacks.fit import Fit
from gramscope.callbacks.probing.checkpoints import step_of
from gramscope.callbacks.probing.encoder import Encoder
from gramscope.callbacks.probing.fit import ProbeFit
from gramscope.callbacks.probing.readers import Reader
from gramscope.config.callbacks import MonitorConfig
from gramscope.monitor.boundary import guarded
from gramscope.monitor.due_step import Measure
from gramscope.monitor.earlier import Earlier
from gramscope.picture.strip import Strip

__all__ = ["ProbeCallback"]


class ProbeCallback(MonitorCallback):
    """Encodes the same samples again and again, during `fit`, and once in each `validate`."""

    def __init__(self, config: MonitorConfig) -> None:
        super().__init__(config)
        self._earlier = Earlier()
        self._strip = Strip()
        self._trains = True

    @abstractmethod
    def _reader(self) -> Reader:
        """What finds rows in what the model returns."""

    @abstractmethod
    def _measure(self) -> Measure:
        """What makes numbers of them."""

    @override
    def takes_part(self, trainer: Any) -> bool:
        return trainer.state.fn in ("fit", "validate")

    @override
    def _make_fit(self, trainer: Any, pl_module: Any, **parts: Any) -> Fit:
        shared = (parts["monitor"], self._earlier, self._reader())
        return ProbeFit(encoder=Encoder(trainer, pl_module, self.config, *shared), **parts)

    @override
    def _own_parts(self) -> dict[str, Any]:
        return {"measure": self._measure(), "strip": self._strip}

    @override
    @guarded(dict)
    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        return {**state, "probe": self._earlier.state()} if state else state

    @override
    @guarded()
    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        self._trains = stage == "fit"

    @override
    @guarded()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if not self._trains:  # a checkpoint that is looked at is no run to go on with
            return
        super().load_state_dict(state_dict)
        if "probe" in state_dict:
            self._earlier.load(state_dict["probe"])

    @override
    @guarded()
    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        super().on_train_start(trainer, pl_module)
        pictures, step = self._seen.pictures, trainer.global_step
        if trainer.is_global_zero and pictures is not None and step and not len(self._strip):
            self._strip.fill(pictures, step)  # so that the film of a resumed run is of all of it

    @override
    @guarded(by="stay_off")
    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Encode the weights that are validated, unless that is a part of training."""
        if trainer.state.fn != "validate" or self._fit is not None:
            return
        self._meet(trainer)
        self._fit = fit = self._start(trainer, pl_module)
        if isinstance(fit, ProbeFit):
            step = step_of(trainer, trainer.ckpt_path)
            if last := self._seen.account.last_step:  # of a row of checkpoints, or the fit before
                fit.monitor.goes_on_from(min(last, step - 1))
            fit.encoder.meet(None)
            fit.look(step)

    @override
    @guarded()
    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.state.fn == "validate":
            self.finish()
