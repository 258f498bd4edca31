"""Order, death and closing of the worker thread."""

from __future__ import annotations

import threading

import pytest

from gramscope.monitor.worker import Worker

DEATHS = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


class Bench:
    """A worker over strings: ``die`` kills its thread, ``wait`` waits for `go`."""

    def __init__(self, retry: bool = False) -> None:
        self.done: list[str] = []
        self.abandoned: list[str] = []
        self.go = threading.Event()
        self.worker: Worker[str] = Worker(
            self._work,
            lambda item, error: self.abandoned.append(item),
            retry=lambda item: retry,
            name="bench",
            last=lambda: self.done.append("last"),
        )

    def _work(self, item: str) -> None:
        if item == "die":
            raise SystemExit  # ends the thread, quietly
        if item == "fail":
            raise ValueError(item)
        if item == "wait":
            self.go.wait(10)
        self.done.append(item)


def test_items_are_worked_on_in_order() -> None:
    bench = Bench()
    for i in range(100):
        bench.worker.put(str(i))

    assert bench.worker.wait_idle(10)
    assert bench.worker.close()
    assert bench.done == [*(str(i) for i in range(100)), "last"]


@DEATHS
def test_a_dead_thread_is_replaced_unless_the_next_dies_at_once() -> None:
    bench = Bench()
    for item in ("die", "a", "die", "b", "die", "die", "c"):
        bench.worker.put(item)
        assert bench.worker.wait_idle(10)

    assert bench.done == ["a", "b"]
    assert bench.abandoned == ["die", "die", "die", "die", "c"]


def test_a_failure_costs_its_item_and_no_thread() -> None:
    bench = Bench()
    for item in ("fail", "fail", "fail", "a"):
        bench.worker.put(item)

    assert bench.worker.wait_idle(10)
    assert (bench.done, bench.abandoned) == (["a"], ["fail"] * 3)
    bench.worker.close()


@DEATHS
def test_the_item_on_which_it_died_may_be_tried_again() -> None:
    bench = Bench(retry=True)
    bench.worker.put("die")

    assert bench.worker.wait_idle(10)
    assert bench.abandoned == ["die"]  # after the second death


def test_closing_abandons_what_waits_and_does_not_wait_for_what_is_stuck() -> None:
    bench = Bench()
    for item in ("wait", "a", "b"):
        bench.worker.put(item)

    assert not bench.worker.wait_idle(0.1)
    assert not bench.worker.close()
    bench.go.set()

    assert bench.abandoned == ["wait", "a", "b"]
    bench.worker.put("c")
    assert bench.abandoned[-1] == "c"


def test_what_is_worked_on_counts_as_waiting() -> None:
    bench = Bench()
    for item in ("wait", "a"):
        bench.worker.put(item)

    assert bench.worker.waiting(len) == 5
    bench.go.set()
    assert bench.worker.wait_idle(10)
    assert bench.worker.waiting(len) == 0
    bench.worker.close()


def test_a_first_call_that_fails_does_not_matter() -> None:
    bench = Bench()

    bench.worker.start(lambda: 1 // 0)
    bench.worker.put("a")

    assert bench.worker.wait_idle(10)
    assert bench.done == ["a"]
    bench.worker.close()


def test_a_thread_that_cannot_be_had_abandons_and_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    start = "threading.Thread.start"
    monkeypatch.setattr(start, lambda self: (_ for _ in ()).throw(RuntimeError("no more threads")))
    for item in ("a", "b", "c"):
        bench.worker.put(item)

    assert bench.worker.given_up
    assert bench.worker.close()
    assert bench.abandoned == ["a", "b", "c"]
