"""What Lightning calls whenever a Trainer, or a Fabric, is made."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, MutableSequence
from typing import Any

__all__ = ["for_fabric", "for_trainer"]

log = logging.getLogger(__name__)

_NAMES = ("gram", "collapse_monitor")
"""What names of presets begin with."""


def for_trainer() -> list[Any]:
    """Callbacks that the program was asked for, and has not given to its Trainer."""
    return _if_asked(_for_trainer)


def for_fabric() -> list[Any]:
    """The same for a Fabric, which shows no progress."""
    return _if_asked(_for_fabric)


def _if_asked(make: Callable[[], list[Any]]) -> list[Any]:
    try:
        return make() if _is_anything_asked() else []
    except Exception as error:  # whatever it is, the program is not ours
        log.warning("Training goes on without what was asked for: %r", error)
        return []


def _is_anything_asked() -> bool:
    """Most programs that make a Trainer have never heard of us, and pay for these lines alone."""
    if "GRAMSCOPE" in os.environ or "gramscope.config.nodes" in sys.modules:
        return True
    if "hydra.core.hydra_config" not in sys.modules:
        return False
    from gramscope.attach.job import job_config

    config = getattr(job_config(), "_content", {})
    nodes = getattr(config.get("callbacks"), "_content", None)
    names = [*nodes] if isinstance(nodes, dict) else []
    # Below a misspelt key the name of a preset is a text.
    names += [text for node in config.values() for text in _texts(node)]
    return any(str(name).startswith(_NAMES) for name in names)


def _texts(node: Any) -> list[str]:
    """The text of a node, or of each in a list."""
    nodes = getattr(node, "_content", None)
    values = (getattr(n, "_val", None) for n in (nodes if isinstance(nodes, list) else [node]))
    return [value for value in values if isinstance(value, str)]


def _for_trainer() -> list[Any]:
    from gramscope.config import reminder

    reminder.met()
    return _missing()


def _for_fabric() -> list[Any]:
    made = _missing()
    if made:
        from gramscope.attach.fabric import FabricGramMatrix
        from gramscope.config.callbacks import watching

        made = [FabricGramMatrix(c.config, c.attached) for c in watching(made) if _suits(c)]
    return made


def _suits(callback: Any) -> bool:
    """Whether Fabric, which knows of no data, can have it."""
    from gramscope.config.probes import ProbeConfig

    if isinstance(callback.config, ProbeConfig):
        log.warning("%s needs a Trainer; a Fabric goes on without it.", callback.attached)
    return not isinstance(callback.config, ProbeConfig)


def _missing() -> list[Any]:
    from gramscope.config.environment import is_off

    if is_off():
        return []
    from gramscope.attach.asked import missing

    return missing(_given())


def _given() -> MutableSequence[Any]:
    """The callbacks so far of the Trainer, or Fabric, in whose making Lightning calls us."""
    frame = sys._getframe()
    while frame.f_code.co_name != "_load_external_callbacks":
        if frame.f_back is None:
            return []
        frame = frame.f_back
    caller = frame.f_back.f_locals if frame.f_back else {}
    trainer = getattr(caller.get("self"), "trainer", None)
    callbacks = caller.get("callbacks") if trainer is None else trainer.callbacks
    # A list of OmegaConf's, where `instantiate` has made the trainer.
    return callbacks if isinstance(callbacks, MutableSequence) else []
