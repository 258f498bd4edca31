"""The distribution as others get it: built, installed, and used by an application not ours."""

import zipfile
from pathlib import Path

import pytest

from tests import installed
from tests.installed import KINDS, python

pytestmark = pytest.mark.slow

APPLICATION = """
import sys
import hydra
from omegaconf import OmegaConf

@hydra.main(version_base="1.3", config_path=None)
def main(cfg):
    print(OmegaConf.to_yaml(cfg.callbacks))
    print("torch:", "torch" in sys.modules)
    print("someone else's plugin:", "hydra_plugins.someone" in sys.modules)

main()
"""


@pytest.fixture(params=KINDS)
def environment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scripts directory of an environment with each kind of installation."""
    return installed.environment(tmp_path_factory.getbasetemp(), request.param)


def test_an_application_not_ours_gets_the_presets_and_pays_for_no_torch(
    environment: Path, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(APPLICATION)

    said = python(
        "app.py", "+callbacks=gram_teacher", cwd=tmp_path, executable=environment / "python"
    )

    assert "_target_: gramscope.callbacks.GramMatrixCallback" in said
    assert "feature_key: teacher_cls_token" in said
    assert "torch: False" in said
    assert "someone else's plugin: True" in said


def test_the_console_script_is_there(environment: Path, tmp_path: Path) -> None:
    said = python(
        str(environment / "gramscope"), "presets", cwd=tmp_path, executable=environment / "python"
    )

    assert "gram_teacher" in said


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_a_wheel_holds_what_it_should_and_nothing_else(
    kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with zipfile.ZipFile(installed.wheel(tmp_path_factory.getbasetemp(), kind)) as wheel:
        names = set(wheel.namelist())

    top = {name.partition("/")[0] for name in names}
    assert top == {"gramscope", "hydra_plugins", "hydra_gramscope-0.1.0.dist-info"}
    assert "hydra_plugins/__init__.py" not in names
    assert {
        "gramscope/py.typed",
        "hydra_gramscope-0.1.0.dist-info/licenses/LICENSE",
    } <= names
    assert [name for name in names if name.endswith((".pyc", ".ckpt"))] == []
