"""Gramscope: watch self-supervised features while they train.

Importing this package imports neither torch nor Lightning, because the Hydra plugin imports it
in every Hydra application on the machine.
What needs them is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from project.instantiate import instantiate_callbacks as instantiate_callbacks
    from project.search import objective as objective

__version__ = "0.1.0"

__all__ = ["__version__", "instantiate_callbacks", "objective"]


def __getattr__(name: str) -> Any:
    if name == "instantiate_callbacks":
        from project.instantiate import instantiate_callbacks

        return instantiate_callbacks
    if name == "objective":
        from project.search import objective

        return objective
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
