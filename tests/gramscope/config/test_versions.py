"""The Hydra to come; `scripts/test --matrix` runs far more, and with every supported version."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.skipif("GRAMSCOPE_TEST_OVERLAY" in os.environ, reason="is run within the matrix")
def test_presets_compose_and_are_attached_with_hydra_1_4() -> None:
    (overlay,) = Path(sys.prefix).glob("hydra-1.4*")
    here = Path(__file__).parent
    tests = [here / "test_presets.py", here / "test_instantiate.py", here.parent / "attach"]
    quick = "nobody_reads or switched_off or hydra_makes or test_presets and not every_option"
    quick = f"({quick} or test_instantiate) and not program"

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-k", quick, *map(str, tests)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(overlay), "GRAMSCOPE_TEST_OVERLAY": str(overlay)},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout[-3000:]
    assert "hydra-core-1.4" in done.stdout
