"""What becomes of a directory of events that another run uses again."""

from __future__ import annotations

from pathlib import Path

import pytest

from gramscope.events import Event
from gramscope.events.earlier import EARLIER, make_room
from gramscope.events.files import append_event, read_events, stem, write_atomically

KEY = "gram_matrix/teacher"


def record(save_dir: Path, *steps: int, log_key: str = KEY) -> None:
    for step in steps:
        for suffix in (".npz", ".png"):
            write_atomically(stem(save_dir, log_key, step).with_suffix(suffix), b"")
        append_event(save_dir, Event(step, log_key, "f"))


def recorded(save_dir: Path, log_key: str = KEY) -> list[int]:
    """The steps of the lines; pictures and data have to be of the same."""
    path = save_dir / "events.jsonl"
    found, problems = read_events(path) if path.exists() else ([], [])
    steps = [event.step for event in found if event.log_key == log_key]
    files = sorted(p.name for p in stem(save_dir, log_key, 0).parent.glob("*"))
    named = [f"step_{step:08d}{suffix}" for step in sorted(steps) for suffix in (".npz", ".png")]
    assert (files, problems) == (named, [])
    return steps


@pytest.mark.parametrize(
    ("there", "first", "start", "stay"),
    [
        ([], 10, None, []),
        # Nobody says where the run goes on from: its first step tells.
        ([10, 20, 30], 40, None, [10, 20, 30]),
        ([10, 20, 30], 31, None, [10, 20, 30]),
        ([10, 20, 30], 30, None, []),
        ([10, 20, 30], 1, None, []),
        ([10, 20, 30], 100, None, []),  # a trial, and then a long run
        ([100], 200, None, [100]),
        ([0, 1], 0, None, []),
        # It is said.
        ([10, 20, 30], 100, 0, []),
        ([10, 20, 30], 100, 30, [10, 20, 30]),
        ([10, 20, 30], 30, 25, [10, 20]),
        ([10, 20, 30], 10, 25, []),  # said, and not so
    ],
)
def test_what_a_run_goes_on_from_stays_and_all_else_is_moved(
    tmp_path: Path, there: list[int], first: int, start: int | None, stay: list[int]
) -> None:
    record(tmp_path, *there)

    room = make_room(tmp_path, KEY, first, start)

    assert recorded(tmp_path) == stay
    moved = [step for step in there if step not in stay]
    assert room.aside == (tmp_path / EARLIER / "1" if moved else None)
    assert not moved or recorded(tmp_path / EARLIER / "1") == moved
    assert (room.after < 0) == (not stay)


def test_runs_are_numbered_and_everything_that_a_run_has_watched_goes_with_it(
    tmp_path: Path,
) -> None:
    for _ in range(2):
        record(tmp_path, 1, 2)
        record(tmp_path, 2, log_key="other")
        make_room(tmp_path, KEY, 1)

    for run in "12":
        assert recorded(tmp_path / EARLIER / run) == [1, 2]
        assert recorded(tmp_path / EARLIER / run, "other") == [2]
    assert recorded(tmp_path) == recorded(tmp_path, "other") == []


def test_files_of_others_stay(tmp_path: Path) -> None:
    record(tmp_path, 1)
    mine = [tmp_path / "notes.txt", stem(tmp_path, KEY, 1).parent / "step_1.ckpt"]
    for path in mine:
        path.touch()

    make_room(tmp_path, KEY, 1)

    assert all(path.exists() for path in mine)


def test_a_picture_that_was_left_without_a_line_is_moved_too(tmp_path: Path) -> None:
    record(tmp_path, 1, 2)
    (tmp_path / "events.jsonl").unlink()

    room = make_room(tmp_path, KEY, 1)

    assert room.aside is not None
    assert not [*stem(tmp_path, KEY, 1).parent.iterdir()]


def test_a_damaged_line_goes_with_the_one_before_it(tmp_path: Path) -> None:
    lines = []
    for step in (10, 20):
        lines += [Event(step, KEY, "f").as_json(), f"damaged {step}"]
    (tmp_path / "events.jsonl").write_text("\n".join(lines))

    make_room(tmp_path, KEY, 20, 10)

    assert (tmp_path / "events.jsonl").read_text().splitlines() == lines[:2]
    assert (tmp_path / EARLIER / "1" / "events.jsonl").read_text().splitlines() == lines[2:]


def test_what_could_not_be_moved_at_once_is_moved_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(tmp_path, 1, 2, 3)
    left = iter([True, True])
    rename = Path.rename

    def full(self: Path, target: Path) -> Path:
        if next(left, False):
            return rename(self, target)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="No space"):
        make_room(tmp_path, KEY, 1)
    monkeypatch.undo()

    make_room(tmp_path, KEY, 1)

    assert recorded(tmp_path) == []
    of_both = sorted(p.name for p in (tmp_path / EARLIER).glob("*/*/step_*"))
    assert of_both == [f"step_{step:08d}{s}" for step in (1, 2, 3) for s in (".npz", ".png")]
