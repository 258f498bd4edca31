"""Environments that hold what a Hydra application needs and nothing else, but for one wheel.

So no other plugin is scanned, nothing comes from the checkout, and no byte-code is compiled
while a start is timed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

__all__ = ["build", "environment"]

_ROOT = Path(__file__).resolve().parents[2]


def build(directory: Path) -> Path:
    """The wheel of this checkout.

    Args:
        directory: Where it is put.
    """
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", directory]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"scripts/bench startup: building failed.\n{done.stdout}{done.stderr}")
    (wheel,) = directory.glob("*.whl")
    return wheel


def environment(directory: Path, wheel: Path | None = None) -> Path:
    """Make an environment.

    Args:
        directory: Where; does not exist yet.
        wheel: What is installed beside Hydra and what that needs, if anything.

    Returns:
        Its interpreter.
    """
    venv.create(directory, symlinks=True)
    (site,) = directory.glob("lib/python*/site-packages")
    for needed in _needed("hydra-core").values():
        _copy(needed, site)
    if wheel is not None:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    interpreter = directory / "bin" / "python"
    subprocess.run([interpreter, "-I", "-m", "compileall", "-q", site], check=True)
    return interpreter


def _needed(name: str, found: dict[str, Distribution] | None = None) -> dict[str, Distribution]:
    """A distribution and all that it requires, as installed beside this interpreter."""
    found = {} if found is None else found
    if name not in found:
        found[name] = distribution(name)
        for line in found[name].requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                _needed(requirement.name, found)
    return found


def _copy(source: Distribution, site: Path) -> None:
    """Copy a distribution's own files, scripts left out."""
    for file in source.files or ():
        if ".." not in file.parts and file.suffix != ".pyc":
            target = site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(str(file.locate()), target)
