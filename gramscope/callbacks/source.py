"""Where a training step's features are taken: its outputs, a forward hook, an extra forward."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from gramscope.callbacks.cost import Cost
from gramscope.callbacks.declared import Declared
from gramscope.config.callbacks import Calls, Capture, MonitorConfig
from gramscope.events import Reason
from gramscope.monitor import Monitor
from gramscope.monitor.boundary import guarded
from gramscope.monitor.capture import StepCapture
from gramscope.monitor.features import FeatureError
from gramscope.monitor.hook import ForwardHook, is_recomputation
from gramscope.monitor.isolation import undisturbed
from gramscope.monitor.modules import RollCall, default_path, find_module, is_sharded

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
        self._sequence_first = False
        self._hook_error: FeatureError | None = None
        self._hook_calls = 0
        self._model_has_run = False
        self._capture: StepCapture | None = None
        self._roll: RollCall | None = None

    @property
    def collecting(self) -> bool:
        """Whether the optimizer step under way is being collected."""
        return self._capture is not None

    def begin(self, batch: Any, micro_batches: int) -> None:
        """Listen to a micro-batch, of ``micro_batches`` if it is a step's first; never raises."""
        if self._capture is None:
            bare = self._config.takes_bare_tensor
            self._capture = self._monitor.capture(micro_batches, bare_tensor=bare)
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
        self._disarm()
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
        self._disarm()
        self._capture = None

    def call_roll(self) -> None:
        """Note in the next step which modules run, to name some if the watched one does not."""
        self._roll = RollCall(self._pl_module)

    def end_roll(self) -> None:
        """Note it no more."""
        self._roll = None

    def _disarm(self) -> None:
        if self._hook is not None:
            self._hook.disarm()
        if self._roll is not None:
            self._roll.disarm()

    def _arm(self) -> None:
        if self._hook is None and self._hook_error is None:
            try:
                module = find_module(self._pl_module, self._config.module)
            except FeatureError as error:  # matters only if the outputs hold no features either
                self._hook_error = error
            else:
                self._hook = ForwardHook(module, self._on_forward)
                self._sequence_first = getattr(module, "batch_first", True) is False
        if self._hook is not None:
            self._hook_calls = 0
            self._hook.arm()
        if self._roll is not None:
            self._roll.arm()

    @guarded()
    def _on_forward(self, output: Any) -> None:
        with self._cost:
            if self._capture is None or _is_a_hooks() or is_recomputation():
                return
            self._hook_calls += 1
            take = self._capture.keep if self._config.calls == Calls.all else self._capture.offer
            take(output, sequence_first=self._sequence_first)

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
        capture.join()
        if self._place is Capture.outputs:
            capture.offer(outputs)
        elif self._place is Capture.auto:
            # Not decided yet where this run's features come from: outputs win over the hook.
            if capture.offer(outputs, override=True):
                self._place = Capture.outputs
            elif capture.filled:
                self._place = Capture.forward_hook
        if capture.error is None:
            capture.error = self._trouble(capture)
        self._note_calls(capture)
        capture.end_micro_batch()
        if capture.error is not None:
            self._place = Capture(self._config.capture)  # perhaps they come from elsewhere now

    def _trouble(self, capture: StepCapture) -> FeatureError | None:
        """Why nothing came, where that is not for the outputs to say; or not what was meant."""
        if capture.filled:
            return self._rival(capture)
        uncalled = self._hook is not None and not self._hook_calls
        listened = self._place in (Capture.auto, Capture.forward_hook)
        if self._hook_error is None and listened and uncalled and not capture.seen.keys:
            return self._uncalled()
        return self._hook_error

    def _rival(self, capture: StepCapture) -> FeatureError | None:
        """A tensor without a key is not taken where the key may be a misspelt one."""
        of_choice = self._config.module is None and self._config.capture == Capture.auto.value
        if not (of_choice and capture.bare and capture.seen.keys):
            return None
        return FeatureError(
            Reason.missing_key,
            f"{self._config.what} is not in what training_step returns, which has: "
            f"{capture.seen.text}; `capture: forward_hook` watches the one tensor that "
            f"{_called(self._pl_module)} returns",
        )

    def _uncalled(self) -> FeatureError:
        """Why nothing came, if the watched module was never seen to run."""
        module = self._config.module or _called(self._pl_module)
        ran = f" These ran: {self._roll.ran}." if self._roll is not None else ""
        return FeatureError(
            Reason.not_called,
            f"{self._config.what} is not in what training_step returns, and the watched module, "
            f"{module}, was not called during the step, or only as `.forward(…)` or from within a "
            f"compiled function.{ran} Name another `module`, or return the features from "
            "training_step and use capture='outputs'",
        )

    def _note_calls(self, capture: StepCapture) -> None:
        first = self._config.calls == Calls.first
        if first and self._place is Capture.forward_hook and self._hook_calls > 1:
            module = self._config.module or _called(self._pl_module)
            # If the calls are of views, numbers of views say nothing then.
            told = capture.notes if self._config.views is None else capture.remarks
            told[
                f"{module} ran {self._hook_calls} times in a step, and its first call is watched; "
                "`calls: all` takes all of them"
            ] = None


def _called(pl_module: Any) -> str:
    """What the module that is watched by default is called."""
    return "model" if default_path(pl_module) else f"the {type(pl_module).__name__}"


def _is_a_hooks() -> bool:
    """Whether a forward pass is some hook's, at the batch's start, and not the training step's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_name != _STEP:
        if frame.f_code.co_name in _HOOKS:
            return True
        frame = frame.f_back
    return False
