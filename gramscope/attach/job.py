"""The Hydra job under way."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["job_config"]


def job_config() -> Any:
    """The whole config of the job, as it was composed; None where there is no job."""
    hydra_config = sys.modules.get("hydra.core.hydra_config")
    if hydra_config is None or not hydra_config.HydraConfig.initialized():
        return None
    return hydra_config.HydraConfig.get()._get_root()
