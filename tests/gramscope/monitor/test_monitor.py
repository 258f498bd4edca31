"""The engine in a plain loop, without Lightning."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from gramscope.metrics import gram_matrix
from gramscope.monitor import Monitor
from gramscope.monitor.recorder import Gallery
from tests.support import events


def test_a_plain_loop_gets_its_events(tmp_path: Path) -> None:
    monitor = Monitor("embedding", max_samples=6, save_dir=tmp_path)
    features = {step: torch.randn(9, 4) for step in (1, 2, 3)}
    seen = []

    for step, rows in features.items():
        monitor.observe(step=step, features=rows)
        seen += list(monitor.finished())
    seen += list(monitor.close())

    assert [(e.step, e.status, e.n) for e in seen] == [(s, "logged", 6) for s in (1, 2, 3)]
    assert monitor.outcomes == {"logged": 3}
    assert [e["step"] for e in events(tmp_path)] == [1, 2, 3]
    saved = np.load(tmp_path / "gram_matrix/step_00000002.npz")
    np.testing.assert_array_equal(
        saved["gram"], gram_matrix(features[2][saved["index"].tolist()]).numpy()
    )


def test_what_cannot_be_used_is_a_skip_with_its_reason() -> None:
    monitor = Monitor("f")
    bad = [torch.ones(3), torch.ones(0, 3), torch.full((2, 3), float("nan")), {"g": torch.ones(2)}]

    for step, features in enumerate(bad):
        monitor.observe(step=step, features=features)  # type: ignore[arg-type]
    reasons = [event.reason for event in monitor.close()]

    assert reasons == ["bad_shape", "no_rows", "nonfinite", "missing_key"]


def test_observed_rows_may_be_changed_afterwards(tmp_path: Path) -> None:
    monitor = Monitor("f", save_dir=tmp_path)
    rows = torch.eye(3)

    monitor.observe(step=1, features=rows)
    rows.fill_(1)
    list(monitor.close())

    assert (
        np.load(tmp_path / "gram_matrix/step_00000001.npz")["gram"].tolist() == np.eye(3).tolist()
    )


def test_too_many_waiting_rows_are_a_backlog(monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = Monitor("f", max_pending=2)
    go = threading.Event()
    measure = monitor._engine._measure
    monkeypatch.setattr(monitor._engine, "_measure", lambda *args: (go.wait(10), measure(*args)))

    for step in range(5):
        monitor.observe(step=step, features=torch.eye(3))
    go.set()
    outcomes = [(e.step, e.status, e.reason) for e in monitor.close()]

    skipped = [(s, "skipped", "backlog") for s in (2, 3, 4)]
    assert outcomes == [(0, "logged", None), (1, "logged", None), *skipped]


def test_too_many_waiting_pictures_are_a_backlog(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    draw = Gallery._draw
    monkeypatch.setattr(Gallery, "_draw", lambda *args: (go.wait(10), draw(*args))[1])
    monkeypatch.setattr("gramscope.monitor.recorder._MAX_WAITING", 3)
    monitor = Monitor("f", max_pending=100)

    for step in range(5):
        monitor.observe(step=step, features=torch.eye(3))
    monitor._engine._worker.wait_idle(10)
    go.set()
    outcomes = [(e.step, e.reason) for e in monitor.close()]

    assert outcomes == [(0, None), (1, None), (2, None), (3, "backlog"), (4, "backlog")]


def test_a_full_disk_costs_files_but_no_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, os.strerror(28), str(path))

    monkeypatch.setattr("gramscope.monitor.recorder.write_atomically", full)
    monitor = Monitor("f", save_dir=tmp_path)

    for step in (1, 2):
        monitor.observe(step=step, features=torch.eye(3))
    seen = list(monitor.close())

    assert [(e.status, e.reason) for e in seen] == [("logged", "not_saved")] * 2
    assert len([r for r in caplog.records if "No space left" in r.getMessage()]) == 1


def test_a_scratch_picture_lives_until_its_event_is_recorded() -> None:
    monitor = Monitor("f")
    monitor.observe(step=1, features=torch.eye(3))

    for event in monitor.close(engine=False):
        assert event.picture is not None
        assert event.picture.read_bytes() == event.png
        picture = event.picture
    list(monitor.close())

    assert not picture.parent.parent.exists()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_monitor_thread_is_replaced_and_then_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monitor = Monitor("f", timeout_s=5)
    measure = monitor._engine._measure
    deaths = iter([True, False, True, False, False])

    def mortal(*args: object) -> None:
        if next(deaths):
            raise SystemExit
        measure(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(monitor._engine, "_measure", mortal)
    for step in range(5):
        monitor.observe(step=step, features=torch.eye(3))
        monitor._engine.wait_idle(5)
    outcomes = [(e.step, e.reason) for e in monitor.close()]

    died = "monitor_died"
    assert outcomes == [(0, died), (1, None), (2, died), (3, died), (4, died)]


def test_ten_thousand_events_leave_nothing_behind(tmp_path: Path) -> None:
    """Threads, descriptors and memory after 10,000 events are what they were after 1,000."""

    def state() -> tuple[int, int, float]:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        fds = len(list(Path("/proc/self/fd").iterdir()))
        return threading.active_count(), fds, pages * 4096 / 2**20

    monitor = Monitor("f", max_samples=16)
    rows = torch.randn(16, 32)
    counted = 0
    for step in range(10_000):
        monitor.observe(step=step, features=rows)
        counted += sum(1 for _ in monitor.finished())
        if step % 5 == 0:  # no faster than rows can be worked on, though faster than pictures
            monitor._engine._worker.wait_idle(10)
        if step == 999:
            assert monitor._engine.wait_idle(30)
            early = state()
    assert monitor._engine.wait_idle(30)
    late = state()
    counted += sum(1 for _ in monitor.close())

    assert counted == sum(monitor.outcomes.values()) == 10_000
    assert set(monitor.outcomes) <= {"logged", "backlog"}
    assert monitor.outcomes["logged"] > 200
    assert late[:2] == early[:2]
    assert late[2] - early[2] < 20  # MiB


def test_the_monitor_thread_uses_one_core_and_others_keep_theirs() -> None:
    def on(thread_of: Monitor) -> list[int]:
        seen: list[int] = []
        measure = thread_of._engine._measure
        thread_of._engine._measure = lambda *args: (  # type: ignore[method-assign]
            seen.append(torch.get_num_threads()),
            measure(*args),
        )[1]
        thread_of.observe(step=1, features=torch.eye(3))
        list(thread_of.close())
        return seen

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert on(Monitor("f")) == [1]
        assert torch.get_num_threads() == 2
        later: list[int] = []
        thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert later == [2]
    finally:
        torch.set_num_threads(before)
