"""Who decides by a number of ours (a checkpoint, an early stop, a schedule), and waits for it."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from gramscope.config.callbacks import watching
from gramscope.config.names import names

__all__ = ["Looker", "lookers"]

_PATIENT = {
    "EarlyStopping": ("strict", False),
    "ModelCheckpoint": ("save_top_k", 0),
    "LRSchedulerConfig": ("strict", False),
}
"""By class, the setting with which it passes by a number that is not there instead of failing."""


class Looker:
    """One that looks at a key in `trainer.callback_metrics`.

    Args:
        holder: A callback of the trainer, or the settings of one of its learning rate schedulers.
        key: What it looks at.
    """

    def __init__(self, holder: Any, key: str) -> None:
        self.key = key
        self.what = f"{type(getattr(holder, 'scheduler', holder)).__name__} looks at {key!r}"
        self.decides = _attribute(holder, "monitor") == key
        """Whether it can do nothing without; else it only names files."""
        self.found = False
        """Whether the key has been there."""
        self._holder = holder
        patience: tuple[str, Any] = _patience(holder) if self.decides else ("", None)
        self._setting, self._patient = patience
        self._own = self._patient

    def wait(self) -> None:
        """Have it pass by what is not there."""
        own = getattr(self._holder, self._setting, self._patient)
        if own != self._patient:
            self._own = own
            setattr(self._holder, self._setting, self._patient)

    def go_on(self) -> None:
        """Give it its own setting again."""
        if self._own != self._patient:
            setattr(self._holder, self._setting, self._own)
            self._own = self._patient


def lookers(trainer: Any) -> list[Looker]:
    """Those of a trainer that look at keys that are ours, or are meant to be."""
    prefixes = [given.prefix for given in names([c.config for c in watching(trainer.callbacks)])]
    roots = {prefix.partition("/")[0] for prefix in prefixes}
    holders = [*trainer.callbacks, *trainer.lr_scheduler_configs]
    found = [Looker(holder, key) for holder in holders for key in _keys(holder)]
    return [looker for looker in found if looker.key.partition("/")[0] in roots]


def _keys(holder: Any) -> list[str]:
    """What it decides by, and what its files are named by: on all ranks alike."""
    named = re.findall(r"{([^{}:]+)", str(_attribute(holder, "filename") or ""))
    monitor = _attribute(holder, "monitor")
    keys = [*([monitor] if isinstance(monitor, str) else []), *named]
    return [key for key in dict.fromkeys(keys) if "/" in key]


def _attribute(holder: Any, name: str) -> Any:
    with suppress(Exception):  # a property of somebody else's
        return getattr(holder, name, None)
    return None


def _patience(holder: Any) -> tuple[str, Any]:
    """Told by the names of classes, of which there are two copies."""
    kinds = [base.__name__ for base in type(holder).__mro__]
    return next((_PATIENT[kind] for kind in kinds if kind in _PATIENT), ("", None))
