"""What callbacks that watch fixed samples have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from typing_extensions import override

from gramscope.callbacks.base import MonitorCallback
from gramscope.callbacks.fit import Fit
from gramscope.callbacks.probing.checkpoints import step_of
from gramscope.callbacks.probing.encoder import Encoder
from gramscope.callbacks.probing.fit import ProbeFit
from gramscope.callbacks.probing.readers import Reader
from gramscope.config.callbacks import MonitorConfig
from gramscope.monitor.account import Account
from gramscope.monitor.boundary import guarded
from gramscope.monitor.due_step import Measure
from gramscope.monitor.earlier import Earlier
from gramscope.monitor.modules import is_sharded

__all__ = ["ProbeCallback"]


class ProbeCallback(MonitorCallback):
    """Encodes the same samples again and again, during `fit`, and once in each `validate`."""

    def __init__(self, config: MonitorConfig) -> None:
        super().__init__(config)
        self._earlier = Earlier()
        self._trains = True
        self._met_without = False
        self._look: _Look | None = None

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
        return {"measure": self._measure(), "strip": self._earlier.strip}

    @override
    @guarded(dict)
    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        return {**state, "probe": self._earlier.state()} if state else state

    @override
    @guarded()
    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        self._trains, self._met_without = stage == "fit", False

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
        earlier, step = self._earlier, trainer.global_step
        if not step:
            earlier.forget()
        earlier.strip.clear(after=step)
        if trainer.is_global_zero and self._seen.pictures is not None and not len(earlier.strip):
            earlier.strip.fill(
                self._seen.pictures, step
            )  # the film of a resumed run is of all of it

    @override
    @guarded()
    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._fit is None and not self._met_without and is_sharded(pl_module):
            self._met_without = True  # what the others' encoders ask this one's, which is not there
            trainer.strategy.all_gather(torch.tensor(-1, device=pl_module.device))
        super().on_train_batch_start(trainer, pl_module, batch, batch_idx)

    @override
    @guarded(by="stay_off")
    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Get ready for the weights that are validated, unless that is a part of training."""
        if trainer.state.fn != "validate" or self._fit is not None:
            return
        self._meet(trainer)
        self._look = _Look(step_of(trainer, trainer.ckpt_path), self._earlier, self._seen.account)
        self._earlier = self._look.earlier
        self._fit = self._start(trainer, pl_module)

    @override
    @guarded(by="stay_off")
    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Encode them now: with sharded weights the first pass has to be the validation's own."""
        look, self._look = self._look, None
        if look is None:
            return
        try:
            if isinstance(self._fit, ProbeFit):
                self._fit.monitor.adds()
                self._fit.encoder.meet(None)
                self._fit.look(look.step)
        finally:
            self.finish()
            self._earlier = look.end()


class _Look:
    """One look at weights; earlier ones, looked at once more, are no part of the run's course."""

    def __init__(self, step: int, earlier: Earlier, account: Account) -> None:
        self.step = step
        self._of_run, self._account, self._before = earlier, account, account.state()
        self._is_next = step > account.last_step or not account.outcomes
        self.earlier = earlier if self._is_next else Earlier()

    def end(self) -> Earlier:
        """Leave the account as it was, but for one event more; what the run goes on from."""
        if not self._is_next:
            self._account.load({**self._before, "outcomes": dict(self._account.outcomes)})
        return self._of_run
