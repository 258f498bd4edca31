"""Prints the lowest versions that `pyproject.toml` promises, as constraints for pip.

Called by `scripts/_setup.py` with the Python of an environment that has this project and nothing of
what it asks for: the ranges are read from there, where the build has left them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import requires

NAME = "hydra-gramscope"


def lowest(requirements: Iterable[str]) -> list[str]:
    """Each requirement at its lower bound, whichever extra asks for it.

    Args:
        requirements: As metadata has them, such as ``lightning<3,>=2.2; extra == "test"``.

    Raises:
        ValueError: If one has no lower bound.
    """
    # Of itself it asks for extras made of other extras.
    return [_lowest(r) for r in requirements if not re.match(rf"{NAME}\b", r)]


def _lowest(requirement: str) -> str:
    found = re.match(r"([\w.-]+)[^;]*>=\s*([\w.]+)", requirement)
    if found is None:
        raise ValueError(f"Expected a requirement with a lower bound but got {requirement!r}")
    return "{}=={}".format(*found.groups())


if __name__ == "__main__":
    print("\n".join(lowest(requires(NAME) or ())))
