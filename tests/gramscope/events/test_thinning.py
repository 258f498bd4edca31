"""Which events keep their pictures and matrices where there is no room for all."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest

from gramscope.events import Event
from gramscope.events.files import stem, write_atomically
from gramscope.events.thinning import LATEST, Kept, Shelf


def event(step: int, log_key: str = "g", *, change: bool = False) -> Event:
    return Event(step, log_key, "f", change={"since": step} if change else None)


def grid(start: int, stop: int, every: int, log_key: str = "g") -> list[Event]:
    return [event(step, log_key) for step in range(start, stop + 1, every)]


class Directory:
    """What is there of events of a byte each, while they come."""

    def __init__(self, limit: float, shelf: Shelf | None = None) -> None:
        self.limit = limit
        self.shelf = shelf or Shelf()
        self.kept: set[Kept] = set()

    def take(self, events: Iterable[Event]) -> Directory:
        for one in events:
            self.kept.add(Kept(one.step, one.log_key))
            self.shelf.put(one, 1)
            self.thin()
            assert self.shelf.size == len(self.kept) <= self.limit
        return self

    def thin(self) -> None:
        self.kept -= set(self.shelf.surplus(self.limit))

    def steps(self, log_key: str = "g") -> list[int]:
        return sorted(one.step for one in self.kept if one.log_key == log_key)


@pytest.mark.parametrize("every", [1, 7, 100])
@pytest.mark.parametrize("limit", [20, 33, 100])
@pytest.mark.parametrize("count", [20, 150, 1000])
def test_what_stays_is_spread_evenly_however_long_a_run_goes_on(
    every: int, limit: int, count: int
) -> None:
    there = Directory(limit).take(grid(every, count * every, every)).steps()

    assert len(there) == min(limit, count)
    assert there[0] == every
    assert there[-LATEST:] == [every * i for i in range(count - LATEST + 1, count + 1)]
    # Powers of two of the cadence, of which the later half may have the narrower still.
    gaps = [b - a for a, b in pairwise(there[1 : -LATEST - 1])]
    assert {gap // min(gaps) for gap in gaps} <= {1, 2}
    assert all(step % min(gaps) == 0 for step in there[1 : -LATEST - 1])


def test_a_run_with_less_room_keeps_the_steps_of_one_with_more() -> None:
    events = grid(100, 90_000, 100)

    some, more = (Directory(limit).take(events).steps() for limit in (50, 200))

    assert set(some) <= set(more)


def test_steps_need_not_be_regular() -> None:
    # Two optimizers: a step that is due is passed by one.
    steps = [step + step % 2 for step in range(5, 5000, 5)]

    there = Directory(40).take(map(event, steps)).steps()

    gaps = [b - a for a, b in pairwise(there[1 : -LATEST - 1])]
    assert len(there) == 40
    assert max(gaps) <= 2 * min(gaps) + 4 * 5  # each end is off by as much as the cadence


def test_where_the_state_changed_stays() -> None:
    changes = {300, 4300, 4400}
    events = [event(step, change=step in changes) for step in range(100, 50_001, 100)]

    there = Directory(20).take(events).steps()

    assert changes < set(there)
    assert there[0] == 100
    assert len(there) == 20


def test_when_nothing_else_is_left_changes_go_then_the_first_then_the_latest() -> None:
    steps = range(1, 21)
    directory = Directory(20).take(event(step, change=step in (5, 6)) for step in steps)
    gone = []

    while directory.kept:
        directory.limit -= 1
        before = directory.steps()
        directory.thin()
        gone += sorted(set(before) - set(directory.steps()))

    others = [step for step in steps if step not in (1, 5, 6) and step <= 20 - LATEST]
    assert sorted(gone[: len(others)]) == others
    assert sorted(gone[len(others) :][:2]) == [5, 6]
    assert gone[len(others) + 2 :] == [1, *range(20 - LATEST + 1, 21)]


def test_of_several_keys_the_one_gives_way_whose_events_are_closest() -> None:
    often, seldom = grid(10, 4000, 10, "often"), grid(100, 4000, 100, "seldom")
    events = sorted([*often, *seldom], key=lambda one: one.step)

    directory = Directory(100).take(events)

    assert directory.steps("seldom") == [one.step for one in seldom]
    assert len(directory.steps("often")) == 60


def test_it_goes_on_from_what_is_in_the_directory(tmp_path: Path) -> None:
    events = [event(step, f"a/{step % 2}", change=step == 23) for step in range(10, 60)]
    for one in events:
        for suffix in (".npz", ".png"):
            path = stem(tmp_path, one.log_key, one.step).with_suffix(suffix)
            write_atomically(path, b"x" * one.step)
    (tmp_path / "a.0" / "step_1.npz").touch()  # somebody else's
    (tmp_path / "a.0" / "notes.txt").touch()

    shelf = Shelf.of(tmp_path, ["a/0", "nothing/yet"], events)

    there = {Kept(one.step, one.log_key) for one in events}
    assert shelf.size == 2 * sum(one.step for one in events)
    gone = [*shelf.surplus(shelf.size * 0.7)]
    assert set(gone) < there
    assert Kept(23, "a/1") not in gone
    assert shelf.size == 2 * sum(one.step for one in there - set(gone))
    assert {*gone, *shelf.surplus(0)} == there
