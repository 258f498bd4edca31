"""`gram_dir` of the job's config: files beside what the loggers get."""

from __future__ import annotations

import inspect
from typing import Any

from hydra.utils import get_class
from omegaconf import DictConfig, open_dict

from project.instantiate import callback_nodes

__all__ = ["share_gram_dir"]


def share_gram_dir(cfg: DictConfig) -> None:
    """Give `cfg.gram_dir` to each of our callbacks that has no `save_dir` of its own.

    Args:
        cfg: The job's config, changed in place; `gram_dir: null` leaves it as it is.
    """
    if cfg.gram_dir is None:
        return
    for _, node in callback_nodes(cfg.callbacks):
        if node.get("save_dir") is None and _takes_save_dir(node["_target_"]):
            with open_dict(node):
                node.save_dir = cfg.gram_dir


def _takes_save_dir(target: Any) -> bool:
    if not str(target).startswith("project.callbacks."):
        return False
    return "save_dir" in inspect.signature(get_class(target)).parameters
