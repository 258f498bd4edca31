"""The distribution as others get it: built, installed, and used by an application not ours."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
KINDS = ("wheel", "sdist", "editable")

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


def python(*arguments: str, cwd: Path, executable: str | Path = sys.executable) -> str:
    """Run Python where nothing of this checkout is on the path, and return what it printed."""
    environment = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME"}}
    done = subprocess.run(
        [executable, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, so that building leaves nothing in the checkout."""
    copy = tmp_path_factory.mktemp("checkout")
    for directory in ("project", "hydra_plugins", "conf", "scripts"):
        leave_out = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / directory, copy / directory, ignore=leave_out)
    for file in ROOT.iterdir():
        if file.suffix in {".md", ".toml", ".txt"} or file.name in {"LICENSE", ".gitignore"}:
            shutil.copy(file, copy)
    return copy


@pytest.fixture(scope="module")
def wheels(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A wheel of each kind of installation, built without network."""
    out = tmp_path_factory.mktemp("wheels")
    for kind in KINDS:
        (out / kind).mkdir()

    def build(target: str, source: Path, kind: str) -> None:
        python("-m", "hatchling", "build", "-t", target, "-d", str(out / kind), cwd=source)

    build("wheel", checkout, "wheel")
    build("sdist", checkout, "sdist")
    (archive,) = (out / "sdist").glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(out / "unpacked", filter="data")
    (source,) = (out / "unpacked").iterdir()
    build("wheel", source, "sdist")
    code = f"from hatchling.build import build_editable; build_editable({str(out / 'editable')!r})"
    python("-c", code, cwd=checkout)
    return {kind: next((out / kind).glob("*.whl")) for kind in KINDS}


@pytest.fixture(scope="module", params=KINDS)
def environment(
    request: pytest.FixtureRequest,
    wheels: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Scripts directory of a fresh environment with the distribution and somebody's plugin."""
    directory = tmp_path_factory.mktemp(request.param)
    venv.create(directory, symlinks=True)
    interpreter = directory / "bin" / "python"
    install = ["-m", "pip", f"--python={interpreter}", "install", "--no-deps", "--no-index", "-q"]
    python(*install, str(wheels[request.param]), cwd=directory)
    (site,) = directory.glob("lib/python*/site-packages")
    (site / "hydra_plugins" / "someone").mkdir(parents=True)
    (site / "hydra_plugins" / "someone" / "__init__.py").touch()
    # Dependencies are borrowed. What a .pth file names is searched, but its own .pth files are
    # not read: an editable installation of this checkout stays out of sight.
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return directory / "bin"


def test_an_application_not_ours_gets_the_presets_and_pays_for_no_torch(
    environment: Path, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(APPLICATION)

    said = python(
        "app.py", "+callbacks=gram_teacher", cwd=tmp_path, executable=environment / "python"
    )

    assert "_target_: project.callbacks.GramMatrixCallback" in said
    assert "feature_key: teacher_cls_token" in said
    assert "torch: False" in said
    assert "someone else's plugin: True" in said


def test_the_job_brings_its_conf(environment: Path, tmp_path: Path) -> None:
    command = [str(environment / "gramscope-train"), "--cfg", "job", "--package", "trainer"]

    said = python(*command, cwd=tmp_path, executable=environment / "python")

    assert "_target_: pytorch_lightning.Trainer" in said
    assert list(tmp_path.iterdir()) == []


def test_the_console_script_is_there(environment: Path, tmp_path: Path) -> None:
    said = python(
        str(environment / "gramscope"), "presets", cwd=tmp_path, executable=environment / "python"
    )

    assert "gram_teacher" in said


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_a_wheel_holds_what_it_should_and_nothing_else(kind: str, wheels: dict[str, Path]) -> None:
    with zipfile.ZipFile(wheels[kind]) as wheel:
        names = set(wheel.namelist())

    top = {name.partition("/")[0] for name in names}
    assert top == {"project", "hydra_plugins", "hydra_gramscope-0.1.0.dist-info"}
    assert "hydra_plugins/__init__.py" not in names
    assert {
        "project/py.typed",
        "hydra_plugins/hydra_gramscope/conf/train.yaml",
        "hydra_gramscope-0.1.0.dist-info/licenses/LICENSE",
    } <= names
    assert [name for name in names if name.endswith((".pyc", ".ckpt"))] == []
