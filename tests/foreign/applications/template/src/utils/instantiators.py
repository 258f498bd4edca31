"""From configs to objects."""

import logging

import hydra
from omegaconf import DictConfig

log = logging.getLogger(__name__)


def instantiate_callbacks(configs: DictConfig | None) -> list:
    return _instantiate_all(configs, "callback")


def instantiate_loggers(configs: DictConfig | None) -> list:
    return _instantiate_all(configs, "logger")


def _instantiate_all(configs: DictConfig | None, kind: str) -> list:
    made = []
    if not configs:
        log.warning("No %s configs, skipping.", kind)
        return made
    if not isinstance(configs, DictConfig):
        raise TypeError(f"{kind} configs have to be a mapping.")
    for cb_conf in configs.values():
        if isinstance(cb_conf, DictConfig) and "_target_" in cb_conf:
            log.info("Instantiating %s <%s>", kind, cb_conf._target_)
            made.append(hydra.utils.instantiate(cb_conf))
    return made
