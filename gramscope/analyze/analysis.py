"""Files of features from beginning to end: what they show, kept on disk, on a page, and as JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from gramscope.analyze.course import Sign, judge, said, signs, steps_of
from gramscope.analyze.finding import Asked, Subject, find
from gramscope.analyze.keeping import keep_lines, keep_matrix, place, write_page
from gramscope.analyze.looking import Looked, look
from gramscope.diagnosis import State
from gramscope.report.files import ReportError

__all__ = ["Analysis", "analyze", "as_json"]


@dataclass
class Analysis:
    """What came of some files."""

    looks: list[Looked]
    """In the order of their steps."""
    state: State
    """Of the last."""
    signs: list[Sign]
    """In the last."""
    page: Path | None = None
    save_dir: Path | None = None
    remarks: list[str] = field(default_factory=list)
    """What the page lacks."""

    @property
    def said(self) -> str:
        """What the state says of files."""
        return said(self.state, len(self.looks))


def analyze(
    paths: Sequence[Path], asked: Asked, page: Path | None = None, save_dir: Path | None = None
) -> Analysis:
    """Look at features in files as events of one course.

    Args:
        paths: One for each event.
        asked: Which arrays of them, and how many rows.
        page: Where a page goes, if there is to be one.
        save_dir: Where events are kept, if they are to be.

    Raises:
        ReportError: If a file cannot be what it should, or something cannot be written.
    """
    subjects = [find(path, asked) for path in paths]
    _require_alike(subjects)
    steps = steps_of(paths)
    samples = min(asked.samples, *(subject.rows for subject in subjects))
    name, kept = _name(subjects), page is not None or save_dir is not None
    with place(save_dir, paths[0].stem) as directory:  # first: what it raises is known at once
        in_order = sorted(zip(steps.of, subjects, strict=True), key=lambda pair: pair[0])
        looks = []
        for step, subject in in_order:
            looks.append(look(subject, step, name, samples))
            keep_matrix(directory if kept else None, looks[-1].event)
        events = [one.event for one in looks]
        judge(events, steps)
        last = events[-1]
        state = last.state or State("warming_up", last.step)
        found = Analysis(looks, state, signs(last.metrics, state), page, save_dir)
        if kept:
            keep_lines(directory, events)
        if page is not None:
            found.remarks += write_page(directory, page, paths)
    return found


def _require_alike(subjects: Sequence[Subject]) -> None:
    """Of one course all have the same D: ranks of others do not compare."""
    first = subjects[0]
    for other in subjects[1:]:
        if other.array.shape[1:] != first.array.shape[1:]:
            raise ReportError(
                f"{first.path} has {first.array}, {other.path} has {other.array}: files of one "
                "course hold the same features"
            )


def _name(subjects: Sequence[Subject]) -> str:
    """What all of the files are of."""
    start = subjects[0].path.stem
    if len(subjects) > 1:
        start = re.split(r"[\W_]*\d", start)[0]
    return " ".join(dict.fromkeys(filter(None, [start, subjects[0].name]))) or "features"


def as_json(found: Analysis) -> dict[str, Any]:
    """All of it for machines; docs/analyze.md says what each key is."""
    state = found.state
    alarm = state.alarm
    return {
        "files": [_as_json(one) for one in found.looks],
        "state": {
            "name": state.name,
            "code": state.code,
            "alarm": alarm,
            "since": state.since,
            "sentence": found.said,
            "evidence": [_evidence(evidence) for evidence in state.evidence],
            "advice": state.advice if alarm else None,
        },
        "signs": [{**_evidence(sign.evidence), "why": sign.why} for sign in found.signs],
        "page": None if found.page is None else str(found.page),
        "save_dir": None if found.save_dir is None else str(found.save_dir),
        "remarks": found.remarks,
    }


def _evidence(evidence: Any) -> dict[str, Any]:
    values = asdict(evidence)
    return {k: v for k, v in values.items() if not isinstance(v, float) or isfinite(v)}


def _as_json(one: Looked) -> dict[str, Any]:
    subject, event = one.subject, one.event
    return {
        "file": str(subject.path),
        "array": subject.name,
        "shape": [*subject.array.shape],
        "dtype": subject.array.dtype,
        "step": event.step,
        "rows_read": one.chosen,
        "rows_nonfinite": one.chosen - event.n,
        "metrics": event.metrics,
        "absent": event.absent,
        "diagnosis": event.diagnosis,
        "remarks": one.remarks,
    }
