"""From a callback's settings to its monitor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gramscope.callbacks.loggers import Publisher
from gramscope.config.callbacks import MonitorConfig
from gramscope.monitor import Monitor

__all__ = ["monitor_for"]


def monitor_for(
    config: MonitorConfig,
    publisher: Publisher,
    log_key: str,
    save_dir: str | Path | None,
    **shared: Any,
) -> Monitor:
    """Make the monitor that the settings ask for.

    Args:
        config: The settings.
        publisher: Takes the finished events.
        log_key: What its pictures are called among those of other callbacks.
        save_dir: Where files go.
        shared: What it has in common with others: `account`, `engine`.
    """
    return Monitor(
        config.watched,
        config.max_samples,
        views=config.views,
        metrics=config.metrics,
        look=config.look,
        log_key=log_key,
        save_dir=save_dir,
        max_pending=config.max_pending,
        timeout_s=config.timeout_s,
        publish=publisher,
        prepare=publisher.prepare,
        **shared,
    )
