"""docs/diagnosis.md says of states and thresholds what the tables say."""

from __future__ import annotations

import runpy
from pathlib import Path

from gramscope.diagnosis import STATES, THRESHOLDS

ROOT = Path(__file__).parents[3]
SCRIPT = "scripts/_diagnosis_page.py"


def test_the_page_has_every_state_and_threshold_in_the_tables_own_words() -> None:
    page = (ROOT / "docs" / "diagnosis.md").read_text()

    assert page == runpy.run_path(str(ROOT / SCRIPT))["with_tables"](page), f"run {SCRIPT}"
    for kind in STATES.values():
        assert f"| `{kind.name}` | {kind.code} | {kind.sentence.format(of='')} |" in page
        assert f"| {kind.advice} | {kind.needs} | {kind.source} |" in page
    for row in THRESHOLDS.values():
        assert f"| `{row.name}` | {row.default:g} | {row.unit} |" in page
        assert f"| {row.low:g} to {row.high:g} | {row.why} |" in page
