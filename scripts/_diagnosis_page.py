"""Writes the tables of docs/diagnosis.md from those of `gramscope.diagnosis`.

.venv/bin/python scripts/_diagnosis_page.py

A test fails while they differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from gramscope.diagnosis import STATES, THRESHOLDS, State

PAGE = Path(__file__).resolve().parents[1] / "docs" / "diagnosis.md"


def with_tables(page: str) -> str:
    """A page with the tables as they are now, between the comments that name them."""
    for name, table in {"states": _states(), "thresholds": _thresholds()}.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        before, _, rest = page.partition(begin)
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


def _table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    rule = "|---" * len(headings) + "|"
    return "\n".join([_line(headings), rule, *map(_line, rows)]) + "\n"


def _line(cells: Sequence[object]) -> str:
    return f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
