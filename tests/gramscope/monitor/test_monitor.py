"""The engine in a plain loop, without Lightning."""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gramscope.metrics import batch, gram_matrix
from gramscope.monitor import Engine, Event, Monitor
from gramscope.monitor.threads import use_one_core
from gramscope.picture.client import RenderClient
from tests.support import events, monitor_threads, pause_drawing


def before_numbers(monkeypatch: pytest.MonkeyPatch, happens: Any) -> None:
    """Have something happen on the monitor thread before the numbers of each event."""

    def after_that(rows: torch.Tensor) -> torch.Tensor:
        if len(rows) != 4:  # not when the thread warms up
            happens()
        return gram_matrix(rows)

    monkeypatch.setattr(batch, "gram_matrix", after_that)


def observe(monitor: Monitor, steps: int) -> None:
    for step in range(steps):
        monitor.observe(step=step, features=torch.eye(3))


def test_a_plain_loop_gets_its_events(tmp_path: Path) -> None:
    monitor = Monitor("embedding", max_samples=6, save_dir=tmp_path)
    features = {step: torch.randn(9, 4) for step in (1, 2, 3)}
    seen = []

    for step, rows in features.items():
        monitor.observe(step=step, features=rows)
        seen += monitor.finished()
    seen += monitor.close()

    assert [(e.step, e.status, e.n) for e in seen] == [(s, "logged", 6) for s in (1, 2, 3)]
    assert monitor.outcomes == {"logged": 3}
    assert [e["step"] for e in events(tmp_path)] == [1, 2, 3]
    saved = np.load(tmp_path / "gram_matrix/step_00000002.npz")
    np.testing.assert_array_equal(
        saved["gram"], gram_matrix(features[2][saved["index"].tolist()]).numpy()
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float8_e4m3fn], ids=str)
def test_rows_of_every_dtype_are_measured(tmp_path: Path, dtype: torch.dtype) -> None:
    monitor = Monitor("f", save_dir=tmp_path)
    rows = torch.randn(5, 4).to(dtype)

    monitor.observe(step=1, features=rows)
    (event,) = monitor.close()

    assert event.logged
    gram = np.load(tmp_path / "gram_matrix/step_00000001.npz")["gram"]
    np.testing.assert_allclose(gram, gram_matrix(rows.double()).numpy(), atol=1e-6)


def test_a_plain_loop_is_told_the_state_of_its_run(tmp_path: Path) -> None:
    sure = {"confirm_events": 1, "clear_events": 1}
    monitor = Monitor("f", thresholds=sure, save_dir=tmp_path, max_pending=100)

    for step in range(1, 7):
        rows = torch.ones(16, 8) if step in (3, 4) else torch.randn(16, 8)
        monitor.observe(step=step, features=rows, draw=False)
    seen = monitor.close()

    assert [e.step for e in seen if e.diagnosis == "complete_collapse"] == [3, 4]
    assert (3, "complete_collapse") in monitor.diagnoses
    assert monitor.diagnosis == seen[-1].diagnosis == monitor.diagnoses[-1][1]
    assert [e["diagnosis"] for e in events(tmp_path)] == [e.diagnosis for e in seen]


def test_unknown_thresholds_are_refused_before_anything_starts() -> None:
    with pytest.raises(ValueError, match="`thresholds` has no 'confirm_event': confirm_events"):
        Monitor("f", thresholds={"confirm_event": 1})

    assert monitor_threads() == []


def test_an_alarm_stands_in_the_title_before_what_else_was_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    titles: list[str] = []

    def png(self: RenderClient, npz: bytes, title: str, *_: Any) -> bytes:
        titles.append(title)
        return b""

    monkeypatch.setattr(RenderClient, "png", png)
    monitor = Monitor("f", thresholds={"confirm_events": 1})
    rows = torch.ones(16, 8)
    rows[0] = torch.nan

    for step, features in enumerate([torch.randn(16, 8), rows, torch.ones(16, 8)], start=1):
        monitor.observe(step=step, features=features)
    monitor.close()

    assert "\n" not in titles[0]
    assert titles[1].endswith("\nnon finite since step 2; 1 rows with NaN or Inf left out")
    assert titles[2].splitlines()[1].split(" since step ")[0] in ("non finite", "complete collapse")


def test_files_stay_where_the_working_directory_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monitor = Monitor("f", save_dir="gram")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")

    observe(monitor, 2)
    monitor.close()

    assert len(events(tmp_path / "gram")) == 2
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_url_is_no_directory() -> None:
    with pytest.raises(ValueError, match="`save_dir` to be the path of a local directory"):
        Monitor("f", save_dir="s3://bucket/gram")


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
    monitor.close()

    saved = np.load(tmp_path / "gram_matrix/step_00000001.npz")
    assert saved["gram"].tolist() == np.eye(3).tolist()


def test_too_many_waiting_rows_are_a_backlog(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    go = threading.Event()
    before_numbers(monkeypatch, lambda: go.wait(10))
    monitor = Monitor("f", max_pending=2)

    observe(monitor, 5)
    go.set()

    skipped = [(s, "skipped", "backlog") for s in (2, 3, 4)]
    assert [(e.step, e.status, e.reason) for e in monitor.close()] == [
        (0, "logged", None),
        (1, "logged", None),
        *skipped,
    ]
    (said,) = caplog.messages
    assert "lower max_samples (this rank gives 3 rows)" in said


@pytest.mark.slow
def test_too_many_waiting_pictures_are_a_backlog() -> None:
    monitor = Monitor("f", max_pending=1000)
    pause_drawing(2.0)

    observe(monitor, 140)

    outcomes = [e.outcome for e in monitor.close()]
    assert outcomes == ["logged"] * 128 + ["backlog"] * 12


def test_a_full_disk_costs_files_but_no_events(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monitor = Monitor("f", save_dir=tmp_path)
    quota = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, quota[1]))  # bytes a file

    try:
        observe(monitor, 2)
        seen = monitor.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, quota)

    assert [(e.status, e.reason) for e in seen] == [("logged", "not_saved")] * 2
    assert len([r for r in caplog.records if "could not be saved" in r.getMessage()]) == 1
    assert len(events(tmp_path)) == 2
    assert not [p for p in (tmp_path / "gram_matrix").iterdir() if p.suffix != ".npz"]


def test_a_picture_is_in_a_file_while_it_is_published() -> None:
    seen: list[Path] = []

    def publish(event: Event) -> None:
        assert event.picture is not None
        assert event.picture.read_bytes() == event.png
        seen.append(event.picture)

    monitor = Monitor("f", publish=publish)
    observe(monitor, 2)

    assert [e.reason for e in monitor.close()] == [None, None]
    assert not any(path.parent.parent.exists() for path in seen)


def test_who_publishes_may_fail_or_skip(caplog: pytest.LogCaptureFixture) -> None:
    def publish(event: Event) -> None:
        raise ConnectionError("no route to host")

    monitor = Monitor("f", publish=publish)
    observe(monitor, 2)

    assert [(e.status, e.reason) for e in monitor.close()] == [("logged", "publish_failed")] * 2
    assert "no route to host" in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_monitor_thread_is_replaced_and_counted_if_it_dies_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deaths = iter([True, False, True, True])

    def mortal() -> None:
        if next(deaths):
            raise SystemExit

    engine = Engine(128, timeout_s=5)
    monitor = Monitor("f", engine=engine)
    before_numbers(monkeypatch, mortal)
    for step in range(5):
        monitor.observe(step=step, features=torch.eye(3))
        engine.wait_idle(5)

    died = "monitor_died"
    assert [(e.step, e.reason) for e in monitor.close()] == [
        *[(0, died), (1, None)],
        *[(2, died), (3, died), (4, died)],
    ]


def test_an_engine_ends_with_the_last_of_its_users() -> None:
    engine = Engine(128)
    first, second = (Monitor(name, engine=engine) for name in "ab")

    first.close()
    observe(second, 1)

    assert [e.outcome for e in second.close()] == ["logged"]
    assert second.close() == []
    assert not monitor_threads()


@pytest.mark.slow
def test_ten_thousand_events_leave_nothing_behind() -> None:
    """Threads, descriptors and memory after 10,000 events are what they were after 1,000."""

    def state() -> tuple[int, int, float]:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        fds = len(list(Path("/proc/self/fd").iterdir()))
        return threading.active_count(), fds, pages * 4096 / 2**20

    engine = Engine(16)
    monitor = Monitor("f", max_samples=16, engine=engine)
    rows = torch.randn(16, 32)
    for step in range(10_000):
        monitor.observe(step=step, features=rows)
        monitor.finished()
        if step % 500 == 499:  # or no row would ever be worked on in this tight loop
            assert engine.wait_idle(30)
        if step == 999:
            early = state()
    late = state()
    monitor.close()

    assert sum(monitor.outcomes.values()) == 10_000
    assert set(monitor.outcomes) <= {"logged", "backlog"}
    assert monitor.outcomes["logged"] > 100
    assert late[:2] == early[:2]
    assert late[2] - early[2] < 20  # MiB


@pytest.mark.slow
@pytest.mark.parametrize("end", ["", "monitor.close(0.0)"])
def test_a_program_that_ends_amid_arithmetic_has_not_failed(end: str) -> None:
    program = f"""
import torch
from gramscope.monitor import Monitor
monitor = Monitor("f", max_samples=512)
monitor.observe(step=1, features=torch.randn(512, 65536))
{end}
"""

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, b"")


def test_the_monitor_thread_uses_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monitor = Monitor("f")
    before_numbers(monkeypatch, lambda: seen.append(torch.get_num_threads()))

    observe(monitor, 1)
    monitor.close()

    assert seen == [1]


def test_the_other_threads_keep_their_cores() -> None:
    def run(in_thread: Any) -> None:
        thread = threading.Thread(target=in_thread)
        thread.start()
        thread.join()

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        run(use_one_core)
        later: list[int] = []
        run(lambda: later.append(torch.get_num_threads()))
        assert (torch.get_num_threads(), later) == (2, [2])
    finally:
        torch.set_num_threads(before)
