"""From configs to objects."""

import hydra
from omegaconf import DictConfig


def instantiate_all(configs: DictConfig | None) -> list:
    """Instantiate what has a target, as the template does."""
    nodes = [node for node in (configs or {}).values() if isinstance(node, DictConfig)]
    return [hydra.utils.instantiate(node) for node in nodes if "_target_" in node]
