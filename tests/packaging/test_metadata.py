"""What `pyproject.toml` and `constraints.txt` promise, held against each other."""

import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import gramscope

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
METADATA = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DEPENDENCIES = [
    Requirement(line)
    for group in (METADATA["dependencies"], *METADATA["optional-dependencies"].values())
    for line in group
    # An extra made of other extras.
    if not line.startswith(f"{METADATA['name']}[")
]
PINS = {
    canonicalize_name(pin.name): pin
    for line in (ROOT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
    for pin in [Requirement(line)]
}


@pytest.mark.parametrize("dependency", DEPENDENCIES, ids=str)
def test_every_dependency_is_pinned_within_its_range(dependency: Requirement) -> None:
    (pin,) = PINS[canonicalize_name(dependency.name)].specifier

    assert pin.operator == "=="
    assert pin.version in dependency.specifier


def test_what_is_installed_is_what_is_pinned() -> None:
    """Otherwise the tests say something about other versions than they claim."""
    different = {}
    for name, pin in PINS.items():
        if pin.marker is not None and not pin.marker.evaluate():
            continue
        try:
            # A local build, such as 2.13.0+cpu, is the same version.
            installed = version(name).partition("+")[0]
        except PackageNotFoundError:
            continue
        if installed not in pin.specifier:
            different[name] = installed

    assert different == {}


@pytest.mark.parametrize("extra", METADATA["optional-dependencies"])
def test_every_extra_stands_in_the_readme(extra: str) -> None:
    table = (ROOT / "README.md").read_text().partition("### Extras")[2].partition("###")[0]

    assert f"`{extra}`" in "".join(line.split("|")[1] for line in table.splitlines() if "|" in line)


def test_the_version_is_said_once_and_the_same() -> None:
    assert METADATA["version"] == gramscope.__version__
    assert re.search(rf"^## (Unreleased|{re.escape(gramscope.__version__)})", _changelog(), re.M)


def test_commits_are_checked_with_the_pinned_ruff() -> None:
    hooks = OmegaConf.load(ROOT / ".pre-commit-config.yaml").repos

    (rev,) = (repo.rev for repo in hooks if repo.repo.endswith("ruff-pre-commit"))
    assert rev.removeprefix("v") in PINS["ruff"].specifier


def test_the_plugin_namespace_has_no_init() -> None:
    """With one, the plugins of other distributions disappear."""
    assert not (ROOT / "hydra_plugins" / "__init__.py").exists()


def _changelog() -> str:
    return (ROOT / "CHANGELOG.md").read_text()
