"""What all ranks do together before a fit, and what the callbacks of a trainer share."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from gramscope.config.callbacks import MonitorConfig
from gramscope.config.names import clashes, names
from gramscope.monitor import Engine

__all__ = ["make_engine", "root_of", "said_if_long"]

log = logging.getLogger(__name__)

_LONG_S = 30.0
"""Seconds after which this rank says that it waits for the others."""

_ALONE = (
    "The gram callback of rank %d for %s waits for those of the other ranks; a trainer "
    "must have the same callbacks on every rank."
)


def make_engine(trainer: Any, configs: list[MonitorConfig], name: str) -> Engine:
    """The engine of all callbacks of a trainer."""
    if trainer.is_global_zero:
        _warn_of_clashes(configs)
    rows, seconds = (max(c.max_samples for c in configs), max(c.timeout_s for c in configs))
    return Engine(rows, seconds, name=name)


def root_of(trainer: Any) -> str:
    """Where Lightning keeps what belongs to the run; as `Trainer.log_dir`, but of this rank."""
    with suppress(Exception):  # a logger's; the ranks must meet all the same
        for logger in trainer.loggers[:1]:
            if directory := logger.log_dir or logger.save_dir:
                return str(directory)
    return str(trainer.default_root_dir)


@contextmanager
def said_if_long(rank: int, what: str) -> Iterator[None]:
    """Say what is waited for, if it takes so long that somebody may wonder."""
    timer = threading.Timer(_LONG_S, log.warning, (_ALONE, rank, what))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _warn_of_clashes(configs: list[MonitorConfig]) -> None:
    log_keys = [given.log_key for given in names(configs)]
    for alike in clashes(configs):
        one = configs[alike[0]]
        log.warning(
            "%d gram callbacks log %s under log_key=%r; they are told apart as %s. "
            "Give each a name of its own.",
            len(alike),
            one.what,
            one.log_key,
            ", ".join(log_keys[i] for i in alike),
        )
