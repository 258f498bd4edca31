"""The gram matrix of a feature in a loop of Lightning Fabric, which tells callbacks little."""

from __future__ import annotations

import atexit
import logging
import weakref
from contextlib import suppress
from functools import partial
from multiprocessing.util import Finalize
from typing import Any

from torch import nn

from gramscope.callbacks._lightning import rank_zero_info, rank_zero_warn
from gramscope.callbacks.monitors import (
    directory_for,
    monitor_for,
    publisher_for,
    warn_of_directory,
)
from gramscope.callbacks.saying import say, warn_too_short
from gramscope.config import reminder
from gramscope.config.callbacks import Calls, MonitorConfig
from gramscope.config.names import names
from gramscope.monitor import Monitor
from gramscope.monitor.boundary import guarded
from gramscope.monitor.capture import StepCapture
from gramscope.monitor.features import FeatureError
from gramscope.monitor.hook import ForwardHook
from gramscope.monitor.modules import find_module

__all__ = ["FabricGramMatrix"]

log = logging.getLogger(__name__)

_NOT_SEEN = (
    "%s asks for %s, and training goes on without: Fabric has told of no module with "
    "module=%r. It tells of those of `fabric.setup`, not of `fabric.setup_module`; a loop with "
    "that one uses gramscope.Monitor."
)

_NOT_WITH_FABRIC = (
    "gramscope: `{}` is without effect in a loop of Fabric's, which shows no batches and is not "
    "ended by a callback; a loop with gramscope.Monitor can give ids and labels, and end itself."
)


class FabricGramMatrix:
    """Watches what the modules that a Fabric has set up return in training.

    A step is one of the optimizer that steps first after modules were set up. The features are
    looked for in the output of each of these modules, or of the submodule that `module` names in
    one of them; of accumulated gradients the first pass counts.

    Args:
        config: What to watch.
        asked: What has asked for it.
    """

    def __init__(self, config: MonitorConfig, asked: str) -> None:
        self.config = config
        self._asked = asked
        self._monitor: Monitor | None = None
        self._at_exit: Finalize | None = None
        self._roots: list[weakref.ref[nn.Module]] = []
        self._hooks: list[ForwardHook] = []
        self._capture: StepCapture | None = None
        self._provisional = True
        self._optimizer: weakref.ref[Any] | None = None
        self._step = 0
        self._said_nothing_seen = False

    @guarded()
    def on_after_setup(self, fabric: Any, module: Any) -> None:
        """Watch one more module; all ranks come here together, so that the monitors can meet."""
        module = getattr(module, "module", module)  # as it was before Fabric wrapped it
        if self._find(module) is None:
            return
        reminder.met()
        self._roots.append(weakref.ref(module))
        self._optimizer = None
        if self._at_exit is None:
            self._monitor = self._make_monitor(fabric)
            self._at_exit = Finalize(None, self.close, exitpriority=0)  # of a launcher's process
            atexit.register(self.close)  # of any other, before the monitor's own end
            said = f"{self._asked} asks for {self.config.what}"
            rank_zero_info(f"gramscope: {said}, which this Fabric now watches.")
            for setting in ("stop_on", "label_key", "sample_id_key"):
                if getattr(self.config, setting):
                    rank_zero_warn(_NOT_WITH_FABRIC.format(setting))
        self._listen()

    @guarded()
    def on_after_optimizer_step(self, strategy: Any, optimizer: Any) -> None:
        """Hand over a step that was due, and what has become of those before to the loggers."""
        if self._at_exit is None and not self._said_nothing_seen:
            self._said_nothing_seen = True
            log.warning(_NOT_SEEN, self._asked, self.config.what, self.config.module)
        if self._optimizer is None or self._optimizer() is None:
            self._optimizer = weakref.ref(optimizer)
        if self._monitor is None or optimizer is not self._optimizer():
            return
        self._step += 1
        self._hand_over(None)
        self._monitor.finished()
        self._listen()

    @guarded()
    def close(self) -> None:
        """Wait for the last events; at the end of the program, or of a process of a launcher."""
        monitor, self._monitor = self._monitor, None
        atexit.unregister(self.close)
        self._disarm()
        if monitor is not None:
            monitor.close()
            if monitor.is_root:
                self._sum_up(monitor)

    def recover(self, error: Exception, *_: Any, **__: Any) -> None:
        """Let a due step end as skipped."""
        log.warning("%s goes on without a step's rows after %r", type(self).__name__, error)
        self._hand_over(error)

    def give_up(self) -> None:
        """Be off."""
        monitor, self._monitor = self._monitor, None
        if monitor is not None:
            monitor.give_up()

    @guarded()
    def _on_forward(self, root: nn.Module, output: Any) -> None:
        if self._capture is not None and self.config.calls == Calls.all and root.training:
            self._capture.keep(output)
            return
        # Validation comes before the passes of the step under way, perhaps of a teacher that is
        # in evaluation mode always: its latest pass counts until there is one in training mode.
        if self._capture is not None and self._capture.offer(output, override=self._provisional):
            self._provisional = not root.training

    def _sum_up(self, monitor: Monitor) -> None:
        every = self.config.log_every_n_steps
        say(f"{monitor.title}: {dict(monitor.outcomes)}")
        if 0 < self._step < every:
            setting = f"log_every_n_steps={every}"
            warn_too_short(monitor.title, "has ended", self._step, every, setting)

    def _is_due(self, step: int) -> bool:
        return step % self.config.log_every_n_steps == 0

    def _listen(self) -> None:
        """Listen to the step under way if it is due, or the first, which is looked at."""
        if not (self._is_due(self._step + 1) or self._step == 0) or self._monitor is None:
            return
        self._disarm()
        self._provisional = True
        bare = self.config.takes_bare_tensor
        self._capture = self._capture or self._monitor.capture(bare_tensor=bare)
        for root in filter(None, (root() for root in self._roots)):
            self._hooks.append(ForwardHook(self._find(root), partial(self._on_forward, root)))
            self._hooks[-1].arm()

    def _disarm(self) -> None:
        for hook in self._hooks:
            hook.disarm()
        self._hooks.clear()

    def _hand_over(self, error: Exception | None) -> None:
        capture, self._capture = self._capture, None
        if capture is not None and self._monitor is not None:
            self._disarm()
            capture.join()
            capture.end_micro_batch()
            if self._is_due(self._step):
                self._monitor.submit(self._step, error or capture)
            else:
                self._monitor.rehearsed(self._step, capture)

    def _find(self, root: nn.Module) -> Any:
        with suppress(FeatureError):
            return find_module(root, self.config.module or ".")
        return None

    def _make_monitor(self, fabric: Any) -> Monitor:
        config = self.config
        called = names([config])[0]
        publisher = publisher_for(config, fabric.loggers, called)
        save_dir = directory_for(config, fabric.loggers, "")
        if save_dir is not None and config.save_dir is None and fabric.is_global_zero:
            warn_of_directory(config.log_key, save_dir, "")
        return monitor_for(config, publisher, called, save_dir)
