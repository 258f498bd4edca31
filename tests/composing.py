"""Hydra's compose API, as each version of Hydra wants it to be used."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import hydra

# Needed by 1.3, deprecated by 1.4.
BASE = {"version_base": "1.3"} if hydra.__version__ < "1.4" else {}


# What the tests' applications instantiate.
_ALLOWED = ("tiny.*", "src.*", "pytorch_lightning.*", "lightning.*", "torch.*", "project.*")


def current(script: str) -> str:
    """An application's script, as it is once the application has moved on with Hydra."""
    if BASE:
        return script
    allowed = (*_ALLOWED, "gramscope.callbacks.*")
    script = script.replace('main(version_base="1.3"', f"main(execution_whitelist={allowed}")
    return re.sub(r'version_base="1.3"(, )?', "", script)


def application(directory: Path) -> AbstractContextManager[Any]:
    """An application whose configs lie in a directory; `hydra.compose` composes within."""
    configured: AbstractContextManager[Any] = hydra.initialize_config_dir(str(directory), **BASE)
    return configured
