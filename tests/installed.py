"""The distribution as others get it: built, and installed where nothing of this checkout is seen.

Building and installing take seconds, so that each kind is made once for all tests of a session:
`base` is the session's temporary directory everywhere.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path

from tests.sharing import once

__all__ = ["KINDS", "checkout", "environment", "python", "variables", "wheel"]

ROOT = Path(__file__).parents[1]
# Other versions of Hydra and its friends, see `scripts/_matrix.py`.
OVERLAY = os.environ.get("GRAMSCOPE_TEST_OVERLAY")
KINDS = ("wheel", "sdist", "editable")


def variables(scripts: Path | None = None) -> dict[str, str]:
    """Environment variables for a process that is to see an installation, and no checkout.

    Args:
        scripts: Scripts directory of the installation; None leaves `PATH` as it is.
    """
    about_python = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    found = {name: value for name, value in os.environ.items() if name not in about_python}
    if scripts is not None:
        found["PATH"] = os.pathsep.join([str(scripts), found["PATH"]])
    return found


def python(*arguments: str, cwd: Path, executable: str | Path = sys.executable) -> str:
    """Run Python where nothing of this checkout is on the path, and return what it printed."""
    done = subprocess.run(
        [executable, *arguments],
        cwd=cwd,
        env=variables(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def checkout(base: Path) -> Path:
    """A copy of the sources, so that building leaves nothing in the checkout."""

    def copy(directory: Path) -> None:
        leave_out = shutil.ignore_patterns("__pycache__")
        for name in ("gramscope", "hydra_plugins", "project", "conf", "scripts"):
            shutil.copytree(ROOT / name, directory / name, ignore=leave_out)
        for file in ROOT.iterdir():
            if file.suffix in {".md", ".toml", ".txt"} or file.name in {"LICENSE", ".gitignore"}:
                shutil.copy(file, directory)

    return once(base, "checkout", copy)


def wheel(base: Path, kind: str) -> Path:
    """A wheel for one kind of installation, built without network."""

    def build(out: Path) -> None:
        source = checkout(base)
        if kind == "editable":
            code = f"from hatchling.build import build_editable; build_editable({str(out)!r})"
            python("-c", code, cwd=source)
            return
        if kind == "sdist":
            source = _unpacked_sdist(out / "sdist", source)
        python("-m", "hatchling", "build", "-t", "wheel", "-d", str(out), cwd=source)

    (built,) = once(base, f"built-{kind}", build).glob("*.whl")
    return built


def _unpacked_sdist(out: Path, source: Path) -> Path:
    python("-m", "hatchling", "build", "-t", "sdist", "-d", str(out), cwd=source)
    (archive,) = out.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(out / "unpacked", filter="data")
    (unpacked,) = (out / "unpacked").iterdir()
    return unpacked


def environment(base: Path, kind: str) -> Path:
    """Scripts directory of a fresh environment with the distribution and somebody's plugin.

    Of the kind "nothing" it is without the distribution.
    """

    def install(directory: Path) -> None:
        venv.create(directory, symlinks=True)
        pip = ["-m", "pip", f"--python={directory}/bin/python", "install", "--no-deps"]
        if kind != "nothing":
            python(*pip, "--no-index", "-q", str(wheel(base, kind)), cwd=directory)
        (site,) = directory.glob("lib/python*/site-packages")
        (site / "hydra_plugins" / "someone").mkdir(parents=True)
        (site / "hydra_plugins" / "someone" / "__init__.py").touch()
        # Dependencies are borrowed. What a .pth file names is searched, but its own .pth files are
        # not read: an editable installation of this checkout stays out of sight.
        borrowed = [*filter(None, [OVERLAY]), sysconfig.get_path("purelib")]
        (site / "borrowed.pth").write_text("\n".join(borrowed))

    return once(base, f"environment-{kind}", install) / "bin"
