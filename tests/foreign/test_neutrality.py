"""An application in whose environment we are installed does what it did before."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.installed import environment, variables

SCRIPT = Path(__file__).with_name("overrides.py")


def without_us(said: str) -> str:
    """What is said of a missing option, which names all that there are and where they are."""
    ours = re.compile(r"\t(gram|collapse_monitor|monitor_progress_bar)|gramscope://")
    return "\n".join(line for line in said.split("\n") if not ours.search(line))


def test_no_override_of_somebody_else_s_key_behaves_differently(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    here, away = (tmp_path / "here", tmp_path / "away")
    base, started = tmp_path_factory.getbasetemp(), []
    for directory, kind in ((here, "wheel"), (away, "nothing")):
        directory.mkdir()
        command = [environment(base, kind) / "python", "-W", "ignore", SCRIPT]
        started.append(subprocess.Popen(command, cwd=directory, env=variables(), stdout=-1))
    found, before = (json.loads(process.communicate()[0]) for process in started)

    away_as_here = {k: v.replace(str(away), str(here)) for k, v in before.items()}
    assert {k: without_us(v) for k, v in found.items()} == away_as_here
    assert sum("Error" in v or "Could not" in v for v in found.values()) < len(found) / 2
