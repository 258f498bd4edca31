"""The name under which the callbacks were first to be had."""

import sysconfig
from pathlib import Path

import pytest

import gramscope.callbacks
import project.callbacks
from tests.installed import python

PROJECT = Path(__file__).parents[2] / "project"


@pytest.mark.parametrize("name", project.callbacks.__all__)
def test_they_are_those_of_the_library(name: str) -> None:
    assert getattr(project.callbacks, name) is getattr(gramscope.callbacks, name)


@pytest.mark.slow
def test_they_are_found_with_only_the_project_on_the_path(tmp_path: Path) -> None:
    # -S and the path by hand: an editable installation of this checkout stays out of sight.
    path = [str(PROJECT), sysconfig.get_path("purelib")]
    code = (
        f"import sys; sys.path += {path}; from callbacks import GramMatrixCallback as C; print(C)"
    )

    assert python("-S", "-c", code, cwd=tmp_path) == f"{gramscope.callbacks.GramMatrixCallback}\n"
