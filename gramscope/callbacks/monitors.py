"""From a callback's settings to its monitor."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gramscope.callbacks.loggers import Publisher, takes_images
from gramscope.config.callbacks import MonitorConfig
from gramscope.config.names import Names
from gramscope.config.settings import is_url
from gramscope.monitor import Monitor

__all__ = ["directory_for", "monitor_for", "publisher_for", "warn_of_directory"]

log = logging.getLogger(__name__)


def directory_for(config: MonitorConfig, loggers: Iterable[Any], root: str) -> Path | None:
    """Where files go, whatever becomes of the working directory; ``None``: nowhere.

    Args:
        config: The settings.
        loggers: If one takes images, files are there only if they are asked for.
        root: Where the run keeps what belongs to it.
    """
    if config.save_dir is not None:
        return Path(config.save_dir).absolute()
    if any(map(takes_images, loggers)):
        return None
    return (Path() if is_url(root) else Path(root)).absolute() / "gram"


def warn_of_directory(log_key: str, directory: Path, root: str) -> None:
    """Say where files go that nobody asked for."""
    why = f", and {root} is not on this machine" if is_url(root) else ""
    log.warning(
        "None of the trainer's loggers takes images%s, so %s goes to %s.", why, log_key, directory
    )


def publisher_for(config: MonitorConfig, loggers: Sequence[Any], names: Names) -> Publisher:
    """Make what hands events to loggers; of a single feature no state says what it is of."""
    of = names.title if "" in config.watched else config.name or ""
    return Publisher(loggers, names.prefix, of, alert=config.alert, log_matrix=config.log_matrix)


def monitor_for(
    config: MonitorConfig,
    publisher: Publisher,
    names: Names,
    save_dir: str | Path | None,
    **shared: Any,
) -> Monitor:
    """Make the monitor that the settings ask for.

    Args:
        config: The settings.
        publisher: Takes the finished events.
        names: What it is called among other callbacks.
        save_dir: Where files go.
        shared: What it has in common with others: `account`, `engine`.
    """
    monitor = Monitor(
        config.roles.get("", config.roles),
        config.max_samples,
        name=names.title,
        pool=config.pool,
        views=config.views,
        metrics=config.metrics,
        look=config.look,
        thresholds=config.thresholds,
        log_key=names.log_key,
        save_limit_mb=config.save_limit_mb,
        max_pending=config.max_pending,
        timeout_s=config.timeout_s,
        publish=publisher,
        prepare=publisher.prepare,
        **shared,
    )
    if save_dir is not None:
        monitor.keep_in(Path(save_dir))
    return monitor
