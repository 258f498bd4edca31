"""A directory that is used again holds one run, whoever writes there."""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from gramscope.callbacks import GramMatrixCallback
from gramscope.events.earlier import EARLIER
from gramscope.monitor import Engine, Monitor
from tests.support import TinySSL, events, trainer

LOG = "gramscope.monitor.place"
Started = Callable[..., Monitor]


@pytest.fixture
def started(tmp_path: Path, engine: Engine) -> Started:
    """Starts a monitor that keeps its events in the directory."""
    return functools.partial(Monitor, max_samples=8, save_dir=tmp_path, engine=engine)


def observe(monitor: Monitor, *steps: int) -> None:
    """Observe steps, each when the one before has come to its end."""
    deadline = time.monotonic() + 60
    for step in steps:
        before = monitor.outcomes.total()
        monitor.observe(step=step, features=torch.randn(6, 4))
        while monitor.outcomes.total() == before:
            assert time.monotonic() < deadline
            time.sleep(0.005)
            monitor.finished()


def recorded(save_dir: Path, log_key: str = "gram_matrix") -> list[int]:
    """The steps of the lines; there have to be pictures of the same."""
    steps = [event["step"] for event in events(save_dir) if event["log_key"] == log_key]
    pictures = sorted((save_dir / log_key.replace("/", ".")).glob("*.png"))
    assert [int(path.stem[5:]) for path in pictures] == sorted(steps)
    return steps


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == LOG]


class TestAPlainLoop:
    """Nobody but the loop knows what it goes on from."""

    def test_one_that_starts_anew_finds_an_empty_place(
        self, tmp_path: Path, started: Started, caplog: pytest.LogCaptureFixture
    ) -> None:
        for steps in [(1, 2, 3), (1, 2)]:
            monitor = started("f")
            observe(monitor, *steps)
            monitor.close()

        assert recorded(tmp_path) == [1, 2]
        assert recorded(tmp_path / EARLIER / "1") == [1, 2, 3]
        assert said(caplog) == [
            f"Events of an earlier run in {tmp_path} were moved to {tmp_path / EARLIER / '1'}."
        ]

    def test_one_whose_steps_follow_goes_on(
        self, tmp_path: Path, started: Started, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        for steps in [(1, 2, 3), (4, 5)]:
            monitor = started("f")
            observe(monitor, *steps)
            monitor.close()

        assert recorded(tmp_path) == [1, 2, 3, 4, 5]
        assert not (tmp_path / EARLIER).exists()
        assert said(caplog) == [f"The run in {tmp_path} goes on with step 4."]

    def test_one_that_loads_its_state_goes_on_from_there(
        self, tmp_path: Path, started: Started, caplog: pytest.LogCaptureFixture
    ) -> None:
        first = started("f")
        observe(first, 10, 20)
        checkpoint = first.state_dict()
        observe(first, 30, 40)
        first.close()
        second = started("f")
        second.load_state_dict(checkpoint)
        observe(second, 25, 35)  # at another pace
        second.close()

        assert recorded(tmp_path) == [10, 20, 25, 35]
        assert recorded(tmp_path / EARLIER / "1") == [30, 40]
        assert second.outcomes == {"logged": 4}
        assert second.account.memory is not None
        (line,) = said(caplog)
        assert line.startswith(f"Events later than step 20 in {tmp_path} were moved to")

    @pytest.mark.parametrize("shared", [True, False], ids=["one engine", "an engine each"])
    def test_monitors_of_one_run_are_not_taken_for_two(
        self, tmp_path: Path, started: Started, shared: bool
    ) -> None:
        given = {} if shared else {"engine": None}
        for _ in range(2):
            often, seldom = (started(key, log_key=key, **given) for key in "ab")
            observe(often, 1, 2)
            added = started("c", log_key="c", **given)
            observe(added, 1)
            for monitor in (often, added):
                monitor.close()
            observe(seldom, 2)
            seldom.close()

        for place in (tmp_path, tmp_path / EARLIER / "1"):
            assert [recorded(place, key) for key in "abc"] == [[1, 2], [2], [1]]
        assert len([*(tmp_path / EARLIER).iterdir()]) == 1

    def test_other_keys_do_not_mix_two_runs(self, tmp_path: Path, started: Started) -> None:
        for key in ("a", "b"):
            monitor = started("f", log_key=key)
            observe(monitor, 1)
            monitor.close()

        assert (recorded(tmp_path, "a"), recorded(tmp_path, "b")) == ([], [1])

    def test_the_latest_state_of_several_counts(self, tmp_path: Path, started: Started) -> None:
        def monitors() -> list[Monitor]:
            return [started(key, log_key=key) for key in "ab"]

        first = monitors()
        observe(first[0], 40)
        observe(first[1], 45)
        second = monitors()
        for before, after in zip(first, second, strict=True):
            after.load_state_dict(before.state_dict())
            before.close()
        observe(second[0], 50)
        for monitor in second:
            monitor.close()

        assert (recorded(tmp_path, "a"), recorded(tmp_path, "b")) == ([40, 50], [45])

    def test_one_that_was_never_closed_is_a_run_that_has_ended(
        self, tmp_path: Path, started: Started
    ) -> None:
        left_open = [started(key, log_key=key) for key in "ab"]
        for monitor in left_open:
            observe(monitor, 1)
        again = [started(key, log_key=key) for key in "ab"]
        for monitor in again:
            observe(monitor, 1)
        for monitor in (*left_open, *again):
            monitor.close()

        for place in (tmp_path, tmp_path / EARLIER / "1"):
            assert (recorded(place, "a"), recorded(place, "b")) == ([1], [1])

    def test_where_nothing_can_be_moved_nothing_is_mixed(
        self, tmp_path: Path, started: Started, caplog: pytest.LogCaptureFixture
    ) -> None:
        first = started("f")
        observe(first, 1, 2)
        first.close()
        (tmp_path / EARLIER).touch()
        second = started("f")
        second.observe(step=1, features=torch.eye(3))
        second.observe(step=3, features=torch.eye(3), draw=False)

        seen = second.close()

        assert [(e.status, e.reason) for e in seen] == [("logged", "not_saved")] * 2
        assert recorded(tmp_path) == [1, 2]
        kinds = Counter(text.split(":")[0] for text in caplog.messages)
        assert kinds == {
            "Step 1 could not be saved": 1,
            "events.jsonl could not be written": 1,
        }


def kept(save_dir: Path, log_key: str = "gram_matrix") -> list[int]:
    """The steps whose files are there, both of each."""
    pictures, matrices = (
        sorted(int(path.stem[5:]) for path in (save_dir / log_key).glob(f"*.{suffix}"))
        for suffix in ("png", "npz")
    )
    assert pictures == matrices
    return pictures


def megabytes(save_dir: Path) -> float:
    return sum(path.stat().st_size for path in save_dir.glob("*/step_*")) / 1e6


class TestALimit:
    """Files go where there is no room for all; numbers stay."""

    LIMIT = 0.4  # some 15 pictures of 6 rows

    def test_it_is_that_of_all_monitors_of_a_directory(
        self, tmp_path: Path, started: Started, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        often = started("a", log_key="a", save_limit_mb=None)
        seldom = started("b", log_key="b", save_limit_mb=self.LIMIT)
        for step in range(1, 21):
            observe(often, step)
            if step % 4 == 0:
                observe(seldom, step)
            assert megabytes(tmp_path) <= self.LIMIT + 0.06  # what loggers have not had, or just
        for monitor in (often, seldom):
            monitor.close()

        steps = [(event["log_key"], event["step"]) for event in events(tmp_path)]
        assert sorted(steps) == [*(("a", s) for s in range(1, 21)), *(("b", s) for s in SELDOM)]
        assert megabytes(tmp_path) > 0.8 * self.LIMIT
        assert kept(tmp_path, "b") == SELDOM
        there = kept(tmp_path, "a")
        assert (there[0], there[-8:]) == (1, [*range(13, 21)])
        assert len(there) < 20
        (line,) = said(caplog)
        assert line.startswith(f"Pictures and matrices in {tmp_path} take save_limit_mb=0.4: from")

    def test_what_cannot_be_removed_costs_no_event(
        self, tmp_path: Path, started: Started, caplog: pytest.LogCaptureFixture
    ) -> None:
        monitor = started("f", save_limit_mb=self.LIMIT)
        observe(monitor, 1, 2, 3)
        for path in (tmp_path / "gram_matrix").glob("*.npz"):
            path.unlink()
            path.mkdir()
        observe(monitor, *range(4, 25))
        monitor.close()

        assert [event["step"] for event in events(tmp_path)] == [*range(1, 25)]
        assert {event["reason"] for event in events(tmp_path)} == {None}
        (message,) = [m for m in caplog.messages if "takes more than it may" in m]
        assert "Training goes on" in message
        assert monitor.outcomes == {"logged": 24}

    def test_one_without_room_for_a_single_event_says_so(
        self, tmp_path: Path, started: Started, caplog: pytest.LogCaptureFixture
    ) -> None:
        taken = []
        monitor = started(
            "f",
            save_limit_mb=0.001,
            publish=lambda event: taken.append(event.picture.is_file()),
            engine=None,  # one that has warned of nothing
        )
        observe(monitor, 1, 2)
        monitor.close()

        assert taken == [True, True]  # loggers have it before it goes
        assert kept(tmp_path) == []
        assert [event["status"] for event in events(tmp_path)] == ["logged"] * 2
        (message,) = caplog.messages
        assert "save_limit_mb=0.001 has no room for a single event" in message


SELDOM = [4, 8, 12, 16, 20]


class SavesAtFour(pl.Callback):
    """Saves a checkpoint in the middle of a fit."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        if trainer.global_step == 4:
            trainer.save_checkpoint(self.path)


class TestATrainer:
    """Its count of steps tells."""

    @pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before")
    def test_a_resumed_run_leaves_the_branch_that_it_does_not_go_on_from(
        self, tmp_path: Path
    ) -> None:
        def fit(steps: int, **arguments: Any) -> None:
            callback = GramMatrixCallback(2, save_dir=tmp_path / "gram")
            saves = SavesAtFour(tmp_path / "four.ckpt")
            trainer(tmp_path, [callback, saves], max_steps=steps).fit(TinySSL(), **arguments)

        fit(8)
        fit(7, ckpt_path=str(tmp_path / "four.ckpt"), weights_only=False)

        assert recorded(tmp_path / "gram") == [2, 4, 6]
        assert recorded(tmp_path / "gram" / EARLIER / "1") == [6, 8]

    @pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before")
    def test_a_resumed_run_goes_on_within_its_limit(self, tmp_path: Path) -> None:
        limit = TestALimit.LIMIT

        def fit(steps: int, **arguments: Any) -> None:
            callback = GramMatrixCallback(1, save_dir=tmp_path / "gram", save_limit_mb=limit)
            callback.max_pending = 100
            run = trainer(tmp_path, [callback], max_steps=steps)
            run.fit(TinySSL(), **arguments)
            run.save_checkpoint(tmp_path / "last.ckpt")

        fit(18)
        before = kept(tmp_path / "gram")
        fit(40, ckpt_path=str(tmp_path / "last.ckpt"), weights_only=False)

        after = kept(tmp_path / "gram")
        assert [event["step"] for event in events(tmp_path / "gram")] == [*range(1, 41)]
        assert len(before) < 18
        assert {step for step in after if step <= 18} < set(before)
        assert (after[0], after[-8:]) == (1, [*range(33, 41)])
        assert 0.8 * limit < megabytes(tmp_path / "gram") <= limit
        assert not (tmp_path / "gram" / EARLIER).exists()

    def test_a_new_one_is_new_however_late_its_first_event(self, tmp_path: Path) -> None:
        for every, key in ((2, "teacher_cls_token"), (5, "student_cls_token")):
            callback = GramMatrixCallback(every, key, save_dir=tmp_path / "gram")
            trainer(tmp_path, [callback], max_steps=5 if every == 5 else 4).fit(TinySSL())

        assert recorded(tmp_path / "gram") == [5]
        assert recorded(tmp_path / "gram" / EARLIER / "1") == [2, 4]

    def test_several_callbacks_share_a_directory(self, tmp_path: Path) -> None:
        keys = {2: "teacher_cls_token", 3: "student_cls_token"}
        for _ in range(2):
            callbacks = [GramMatrixCallback(n, k, save_dir=tmp_path) for n, k in keys.items()]
            trainer(tmp_path, callbacks, max_steps=4).fit(TinySSL())

        for place in (tmp_path, tmp_path / EARLIER / "1"):
            assert recorded(place, "gram_matrix/teacher_cls_token") == [2, 4]
            assert recorded(place, "gram_matrix/student_cls_token") == [3]
