"""Files that are whole or not there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gramscope.events import Event, Matrix, Reason
from gramscope.events.files import append_event, read_events, stem, write_atomically
from gramscope.events.matrix import OfRole, read_matrix


def test_names_follow_the_contract() -> None:
    expected = Path("d/gram_matrix.teacher/step_00000100")

    assert stem(Path("d"), "gram_matrix/teacher", 100) == expected


def test_a_matrix_is_read_as_it_was_written(tmp_path: Path) -> None:
    rank = np.array([0, 0, 3], np.int32)
    gram, spectrum = np.eye(3, dtype=np.float32), np.ones(3, np.float32)
    names = {"sample_id": np.array(["a", "ü", ""]), "label": np.array([1, 2, 1])}
    written = Matrix(
        gram,
        rank,
        rank * 2,
        spectrum,
        view=rank,
        sample=rank,
        role="head",
        others={"backbone": OfRole(gram * 0.5, spectrum * 2)},
        **names,
    )
    path = tmp_path / "a.npz"

    path.write_bytes(written.npz())

    read = read_matrix(path)
    assert (read.role, *read.others) == ("head", "backbone")
    others = (read.others["backbone"], written.others["backbone"])
    for found, expected in ((read, written), others):
        arrays = {k: v for k, v in vars(expected).items() if k not in ("role", "others")}
        for name, array in arrays.items():
            assert getattr(found, name).dtype == array.dtype
            np.testing.assert_array_equal(getattr(found, name), array)
    assert read.boundaries == (2,)
    assert read_matrix(written.npz()).boundaries == (2,)


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()

    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path / "a", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_line_for_which_there_is_no_room_is_not_begun(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").symlink_to("/dev/full")

    with pytest.raises(OSError, match="No space left"):
        append_event(tmp_path, Event(7, "gram_matrix", "f"))


def test_an_event_is_one_line_of_plain_json(tmp_path: Path) -> None:
    event = Event(7, "gram_matrix", "f", world_size=2, metrics={"a": 1.0})
    event.remark("rank 1: no_rows")
    event.skip(Reason.nonfinite)

    append_event(tmp_path, event)

    path = tmp_path / "events.jsonl"
    assert json.loads(path.read_text()) == {
        "step": 7,
        "log_key": "gram_matrix",
        "feature_key": "f",
        "name": "f",
        "n": 0,
        "world_size": 2,
        "metrics": {"a": 1.0},
        "absent": {},
        "diagnosis": None,
        "change": None,
        "drawn": True,
        "status": "skipped",
        "reason": "nonfinite; rank 1: no_rows",
    }
    (read,), problems = read_events(path)
    assert (read.as_json(), problems) == (event.as_json(), [])


def test_the_documentation_explains_every_reason() -> None:
    page = (Path(__file__).parents[3] / "docs" / "engine.md").read_text()

    assert [r.name for r in Reason if r and f"`{r.name}`" not in page] == []
