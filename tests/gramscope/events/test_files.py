"""Files that are whole or not there."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from gramscope.events.files import stem, write_atomically
from gramscope.events.event import Event
from gramscope.events.storage import append_line, npz_bytes


def test_names_follow_the_contract() -> None:
    expected = Path("d/gram_matrix.teacher/step_00000100")

    assert stem(Path("d"), "gram_matrix/teacher", 100) == expected


def test_the_archive_holds_the_numbers_in_their_types() -> None:
    ints = torch.tensor([0, 1], dtype=torch.int32)

    data = np.load(io.BytesIO(npz_bytes(torch.eye(2), ints, ints, torch.ones(2).double())))

    assert {k: str(data[k].dtype) for k in data} == {
        "gram": "float32",
        "rank": "int32",
        "index": "int32",
        "spectrum": "float32",
    }


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()

    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path / "a", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_a_line_for_which_there_is_no_room_is_not_begun() -> None:
    with pytest.raises(OSError, match="No space left"):
        append_line(Path("/dev/full"), "x")


def test_an_event_is_one_line_of_plain_json() -> None:
    event = Event(7, "gram_matrix", "f", world_size=2)
    event.keep_finite({"a": 1.0, "b": float("nan"), "c": float("inf")})
    event.skip("because")

    assert json.loads(event.as_json()) == {
        "step": 7,
        "log_key": "gram_matrix",
        "feature_key": "f",
        "n": 0,
        "world_size": 2,
        "metrics": {"a": 1.0},
        "diagnosis": None,
        "status": "skipped",
        "reason": "because",
    }
