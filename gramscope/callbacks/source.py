"""Where a training step's features are taken: its outputs, a forward hook, an extra forward."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from gramscope.callbacks.cost import Cost
from gramscope.callbacks.declared import Declared
from gramscope.config.callbacks import Capture, MonitorConfig
from gramscope.events import Reason
from gramscope.monitor import Monitor
from gramscope.monitor.boundary import guarded
from gramscope.monitor.capture import ForwardHook, StepCapture, find_module, is_sharded
from gramscope.monitor.features import FeatureError
from gramscope.monitor.isolation import undisturbed

__all__ = ["FeatureSource"]

# Lightning's functions that call hooks before the training step, and the one that calls that.
_HOOKS = {"_call_callback_hooks", "_call_lightning_module_hook"}
_STEP = "_call_strategy_hook"


class FeatureSource:
    """Collects the rows of one fit's optimizer steps; what its hook spends adds to ``cost``."""

    def __init__(
        self, trainer: Any, pl_module: Any, config: MonitorConfig, monitor: Monitor, cost: Cost
    ) -> None:
        self._trainer = trainer
        self._pl_module = pl_module
        self._config = config
        self._monitor = monitor
        self._declared = Declared(pl_module, config)
        self._cost = cost
        # Of `auto`'s, once it is known where this run has them.
        self._place = Capture(config.capture)
        self._hook: ForwardHook | None = None
        self._hook_error: FeatureError | None = None
        self._hook_calls = 0
        self._model_has_run = False
        self._capture: StepCapture | None = None

    @property
    def collecting(self) -> bool:
        """Whether the optimizer step under way is being collected."""
        return self._capture is not None

    def begin(self, batch: Any, micro_batches: int) -> None:
        """Listen to a micro-batch, of ``micro_batches`` if it is a step's first; never raises."""
        if self._capture is None:
            named = self._config.module is not None
            self._capture = self._monitor.capture(micro_batches, bare_tensor=named)
        self._declared.tell(self._capture, batch, assignment=self._monitor.is_root)
        try:
            if self._place is Capture.extra_forward:
                self._extra_forward(self._capture, batch)  # on every rank: shards need them all
            elif self._place is not Capture.outputs and self._monitor.wants_rows:
                self._arm()
        except Exception as error:
            self._capture.fail(error)

    def end(self, outputs: Any) -> None:
        """Collect from the micro-batch, whose `training_step` has returned; never raises."""
        self._model_has_run = True
        if self._hook is not None:
            self._hook.disarm()
        if self._capture is not None and self._monitor.wants_rows:
            self._collect(self._capture, outputs)

    def take(self) -> StepCapture | None:
        """What was collected of the optimizer step that has ended; ``None`` if nothing was."""
        capture, self._capture = self._capture, None
        return capture

    def recover(self, error: Exception, *_: Any, **__: Any) -> None:
        """Give up the rows of the step under way."""
        if self._capture is not None:
            self._capture.fail(error)

    def stop(self) -> None:
        """Stop listening, in the middle of a step too."""
        if self._hook is not None:
            self._hook.disarm()
        self._capture = None

    def _arm(self) -> None:
        if self._hook is None and self._hook_error is None:
            try:
                module = find_module(self._pl_module, self._config.module)
            except FeatureError as error:  # matters only if the outputs hold no features either
                self._hook_error = error
            else:
                self._hook = ForwardHook(module, self._on_forward)
        if self._hook is not None:
            self._hook_calls = 0
            self._hook.arm()

    @guarded()
    def _on_forward(self, output: Any) -> None:
        with self._cost:
            if self._capture is not None and not _is_a_hooks():
                self._hook_calls += 1
                self._capture.offer(output)

    def _extra_forward(self, capture: StepCapture, batch: Any) -> None:
        if not self._model_has_run and is_sharded(self._pl_module):
            raise FeatureError(
                Reason.capture_failed,
                "a sharded model takes no extra forward before the training's own first one",
            )
        module = find_module(self._pl_module, self._config.module)
        inputs = batch[0] if isinstance(batch, (list, tuple)) else batch
        precision = self._trainer.precision_plugin.forward_context()
        with undisturbed(self._pl_module), precision:
            output = module(inputs)
        if self._monitor.wants_rows:
            capture.offer(output)

    def _collect(self, capture: StepCapture, outputs: Any) -> None:
        if self._place is Capture.outputs:
            capture.offer(outputs)
        elif self._place is Capture.auto:
            # Not decided yet where this run's features come from: outputs win over the hook.
            if capture.offer(outputs, override=True):
                self._place = Capture.outputs
            elif capture.filled:
                self._place = Capture.forward_hook
        if not capture.filled and capture.error is None:
            capture.error = self._hook_error or self._uncalled()
        capture.end_micro_batch()
        if capture.error is not None:
            self._place = Capture(self._config.capture)  # perhaps they come from elsewhere now

    def _uncalled(self) -> FeatureError | None:
        """Why nothing came, if the watched module was never seen to run."""
        listened = self._place in (Capture.auto, Capture.forward_hook)
        if not listened or self._hook is None or self._hook_calls:
            return None
        return FeatureError(
            Reason.not_called,
            f"{self._config.what} is not in what training_step returns, "
            "and the watched module was not called during the step, or only from within a "
            "compiled function; name another `module`, or return the features from "
            "training_step and use capture='outputs'",
        )


def _is_a_hooks() -> bool:
    """Whether a forward pass is some hook's, at the batch's start, and not the training step's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_name != _STEP:
        if frame.f_code.co_name in _HOOKS:
            return True
        frame = frame.f_back
    return False
