"""Files that are whole or not there."""

from __future__ import annotations

import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gramscope.events import Event, Matrix, Reason
from gramscope.events.files import append_event, read_events, stem, write_atomically
from gramscope.events.matrix import MatrixError, OfRole, Patches, read_matrix


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
        arrays = {k: v for k, v in vars(expected).items() if k not in ("role", "others", "patches")}
        for name, array in arrays.items():
            assert getattr(found, name).dtype == array.dtype
            np.testing.assert_array_equal(getattr(found, name), array)
    assert read.boundaries == (2,)
    assert read_matrix(written.npz()).boundaries == (2,)


def patches(**other: Any) -> dict[str, Any]:
    image = np.arange(24, dtype=np.float16).reshape(4, 6)
    whole = Patches((2, 3), 4, np.linspace(-1, 1, 6, dtype=np.float32), image)
    return {**whole.arrays(), **other}


def read_back(arrays: dict[str, Any]) -> Patches | None:
    with io.BytesIO() as file:
        np.savez(file, gram=np.eye(6, dtype=np.float32), **arrays)
        return read_matrix(file.getvalue()).patches


def test_patches_are_read_as_they_were_written() -> None:
    read = read_back(patches())

    assert (read.grid, read.patch, read.image.shape) == ((2, 3), 4, (4, 6))
    for name, array in patches().items():
        np.testing.assert_array_equal(read.arrays()[name], array)


@pytest.mark.parametrize(
    "amiss",
    [
        {"grid": np.array([2, 4])},
        {"grid": np.array([-2, -3])},
        {"grid": np.array([6])},
        {"grid": np.array(["2", "x"])},
        {"patch": np.array(6)},
        {"patch": np.array([1, 2])},
        {"similarity": np.full(6, np.nan)},
        {"similarity": np.full(6, 1e99)},
        {"similarity": np.array(list("abcdef"))},
    ],
    ids=str,
)
def test_patches_that_cannot_be_are_left_out(amiss: dict[str, Any]) -> None:
    assert read_back(patches(**amiss)) is None


@pytest.mark.parametrize(
    "image",
    [np.full((4, 6), np.nan), np.full((4, 6), 1e9), np.zeros((0, 6)), np.zeros(4), [["a"]]],
    ids=["nan", "too large for its type", "empty", "one axis", "text"],
)
def test_of_an_image_that_cannot_be_the_similarity_is_left(image: Any) -> None:
    read = read_back(patches(image=image))

    assert read.grid == (2, 3)
    assert read.image is None


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


OLD = {"step": 7, "log_key": "g", "feature_key": "f", "n": 4, "world_size": 2, "status": "logged"}


def test_a_line_of_an_older_version_has_defaults_for_what_it_lacks() -> None:
    event = Event.from_json(json.dumps({**OLD, "metrics": {"a": 1}, "diagnosis": None}))

    assert (event.name, event.drawn, event.change, event.reason) == ("f", True, None, None)
    assert (event.n, event.world_size, event.logged, event.metrics) == (4, 2, True, {"a": 1.0})


@pytest.mark.parametrize(
    "line",
    [
        "",
        "7",
        "[]",
        "{}",
        "[" * 100_000,
        '{"step":' * 5000,
        json.dumps({**OLD, "step": -1}),
        json.dumps({**OLD, "step": True}),
        json.dumps({**OLD, "step": 1e3}),
        json.dumps({**OLD, "step": 1 << 60}),
        json.dumps({**OLD, "metrics": [1]}),
        json.dumps(OLD).replace("7", "7" * 10_000),
        '{"step": 7, "log_key": "g"}',
        json.dumps(OLD)[:-5],
    ],
)
def test_what_is_no_event(line: str) -> None:
    with pytest.raises(ValueError, match="not an"):
        Event.from_json(line)


def test_of_a_damaged_line_what_makes_sense_is_taken() -> None:
    deep: list[object] = []
    for _ in range(200):
        deep = [deep]
    odd = {"a": 1, "b": 10**300, "c": True, "d": "2", "e": None, "f": deep, "g": -0.5}
    line = json.dumps({**OLD, "metrics": odd, "change": deep, "diagnosis": deep, "name": deep})

    event = Event.from_json(line.replace('"g": -0.5', '"g": -0.5, "h": NaN, "i": -Infinity'))

    assert event.metrics == {"a": 1.0, "g": -0.5}
    assert (event.change, event.diagnosis, event.name) == (None, None, "f")


def test_the_line_after_one_that_was_cut_off_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(f'{Event(1, "g", "f").as_json()}\n{{"step": 2, "log_k')

    append_event(tmp_path, Event(3, "g", "f"))

    found, problems = read_events(path)
    assert [event.step for event in found] == [1, 3]
    assert problems == ["1 unreadable line in events.jsonl"]
    assert path.read_bytes().count(b"\n") == 3


def test_a_file_is_read_while_it_is_written(tmp_path: Path) -> None:
    last, path = 400, tmp_path / "events.jsonl"
    metrics = {f"number_{i}": 0.5 for i in range(40)}
    append_event(tmp_path, Event(1, "g", "f", metrics=metrics))

    def write() -> None:
        for step in range(2, last + 1):
            append_event(tmp_path, Event(step, "g", "f", metrics=metrics))

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while True:
            ended = writing.done()
            found, problems = read_events(path)
            steps = [event.step for event in found]
            assert steps == [*range(1, len(steps) + 1)]
            assert problems in ([], ["the last line of events.jsonl is cut off"])
            if ended:
                break
        writing.result()
    assert (len(steps), problems) == (last, [])


def test_a_matrix_of_an_older_version_is_one_without_what_it_lacks(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", gram=np.eye(3))

    read = read_matrix(tmp_path / "a.npz")

    assert (read.gram.dtype, read.rank, read.spectrum) == (np.float32, None, None)
    assert read.boundaries == ()


def test_a_matrix_that_says_it_is_huge_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as file:
        with file.open("gram.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array(member, np.eye(3, dtype=np.float32))
        file.getinfo("gram.npy").file_size = 1 << 40  # what the directory at the end says

    with pytest.raises(MatrixError, match="too many bytes"):
        read_matrix(tmp_path / "a.npz")


def test_the_documentation_explains_every_reason() -> None:
    page = (Path(__file__).parents[3] / "docs" / "engine.md").read_text()

    assert [r.name for r in Reason if r and f"`{r.name}`" not in page] == []
