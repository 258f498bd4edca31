"""Writes tables of docs/diagnosis.md and README.md: states, thresholds, and the zoo's verdicts.

.venv/bin/python scripts/_diagnosis_page.py

A test fails while they differ.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from gramscope.diagnosis import STATES, THRESHOLDS, State

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "docs" / "diagnosis.md", ROOT / "README.md")


def with_tables(page: str) -> str:
    """A page with the tables as they are now, between the comments that name them."""
    tables = {"states": _states(), "thresholds": _thresholds(), **_of_zoo()}
    for name, table in tables.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        before, there, rest = page.partition(begin)
        if there:
            page = f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"
    return page


def _states() -> str:
    return _table(
        ("state", "code", "what it says", "what to do", "needs", "source"),
        (
            (f"`{s.name}`", s.code, State(s.name).sentence, s.advice, s.needs, s.source)
            for s in STATES.values()
        ),
    )


def _thresholds() -> str:
    return _table(
        ("threshold", "default", "unit", "range", "what it decides"),
        (
            (f"`{t.name}`", f"{t.default:g}", t.unit, f"{t.low:g} to {t.high:g}", t.why)
            for t in THRESHOLDS.values()
        ),
    )


def _of_zoo() -> dict[str, str]:
    sys.path.insert(0, str(ROOT / "scripts" / "benchmarks"))
    from zoo import judging, tables

    found = judging.read_verdicts(ROOT / "scripts" / "benchmarks" / "zoo" / "verdicts.csv")
    counted, _ = tables.judged(found)
    made = {
        "watchers": tables.by_watcher(counted),
        "faults": tables.by_fault(counted),
        "names": tables.by_name(counted),
    }
    return {name: _table(list(rows[0]), map(_cells, rows)) for name, rows in made.items()}


def _cells(row: dict[str, object]) -> list[object]:
    return ["–" if value is None else value for value in row.values()]


def _table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    rule = "|---" * len(headings) + "|"
    return "\n".join([_line(headings), rule, *map(_line, rows)]) + "\n"


def _line(cells: Sequence[object]) -> str:
    return f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(with_tables(path.read_text()))
