"""The end of a run that an exception ends."""

from __future__ import annotations

from typing import Any

from typing_extensions import override

from gramscope.callbacks._lightning import Callback
from gramscope.config.callbacks import watching
from gramscope.monitor.boundary import guarded

__all__ = ["Ending"]


class Ending(Callback):
    """Comes last, behind checkpoints that are saved on an exception, and waits only then."""

    def recover(self, error: Exception, trainer: Any, *_: Any, **__: Any) -> None:
        """End without waiting."""
        for callback in watching(trainer.callbacks):
            callback.finish(0.0)

    @override
    @guarded()
    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        for callback in watching(trainer.callbacks):
            callback.break_off()
        trainer.callbacks.remove(self)  # Lightning calls no `teardown` now

    @override
    @guarded()
    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        trainer.callbacks.remove(self)
