"""Runs that may still go on: found, and read on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from gramscope.events.earlier import EARLIER
from gramscope.report.files import ReportError, plain, search
from gramscope.report.history import Columns, History, feature_names
from gramscope.report.jobs import natural_order, owner
from gramscope.report.runs import distinct_names
from gramscope.report.show.account import Account
from gramscope.report.show.thing import Thing

__all__ = ["Following"]

_MOST = 100
"""Accounts that are read: more no screen has room for."""

_SHARE = 20  # of the time at most one part goes into searching directories


class Following:
    """Some runs and what they have kept so far.

    Args:
        directories: Those of the runs, or any with runs below them; they need not be there yet.
    """

    def __init__(self, directories: Sequence[Path]) -> None:
        self.things: list[Thing] = []
        """Each thing that the runs watch."""
        self.remarks: list[str] = []
        """What could not be read, or is left out."""
        self._directories = directories
        self._accounts: dict[Path, Account] = {}
        self._runs: dict[Path, str] = {}
        self._searched: list[str] = []
        self._next_search = 0.0

    def look(self) -> bool:
        """Read what is new, and say whether anything is."""
        found = self._search() if time.monotonic() >= self._next_search else False
        read = [account.read_on() for account in self._accounts.values()]
        if not found and not any(read):
            return False
        self.things = [*self._watched()]
        self.remarks = [*self._searched, *self._problems()]
        return True

    def _search(self) -> bool:
        began = time.monotonic()
        owners: dict[Path, Path] = {}
        remarks: list[str] = []
        for directory in self._directories:
            try:
                found, unreadable = _accounts_below(directory)
            except ReportError as error:  # it may come
                found, unreadable = {}, [str(error)]
            owners |= {path: place for path, place in found.items() if path not in owners}
            remarks += unreadable
        chosen = _latest(owners)
        if len(chosen) < len(owners):
            remarks.append(
                f"shown are the {len(chosen)} of {len(owners)} runs that wrote last; name fewer to "
                "see others"
            )
        now = time.monotonic()
        self._next_search = now + _SHARE * (now - began)
        if (chosen, remarks) == ([*self._accounts], self._searched):
            return False
        self._searched = remarks
        self._accounts = {path: self._accounts.get(path) or Account(path) for path in chosen}
        self._runs = _names({path: owners[path] for path in chosen})
        return True

    def _watched(self) -> Iterator[Thing]:
        for run in dict.fromkeys(self._runs.values()):
            accounts = [a for path, a in self._accounts.items() if self._runs[path] == run]
            of_run = [(*watched, a) for a in accounts for watched in a.watched]
            names = feature_names([history for history, *_ in of_run])
            for name, (history, numbers, account) in zip(names, of_run, strict=True):
                yield self._thing(run, name, history, numbers, account)

    def _thing(
        self, run: str, name: str, history: History, numbers: Columns, account: Account
    ) -> Thing:
        # What has nothing new keeps what is known of it already.
        known = next((t for t in self.things if t.history is history), None)
        if known and (known.run, known.feature, known.reads) == (run, name, account.reads):
            return known
        return Thing(run, name, history, numbers, account.changed, account.reads)

    def _problems(self) -> Iterator[str]:
        for path, account in self._accounts.items():
            yield from (f"{plain(path.parent)}: {problem}" for problem in account.problems)
            if not account.watched and not account.problems:
                yield f"{plain(path.parent)}: kept no events"


def _accounts_below(directory: Path) -> tuple[dict[Path, Path], list[str]]:
    """Accounts of events, the run that each is of, and what cannot be searched."""
    places, files, unreadable = search(directory, "a run")
    jobs = frozenset(places)
    below = {path: path.parent.relative_to(directory) for path in files}
    # A run that begins anew has moved the former one aside before it has an event.
    present = [path for path in files if EARLIER not in below[path].parts]
    ordered = sorted(present, key=lambda path: natural_order(below[path]))
    return {path.resolve(): owner(path, jobs) for path in ordered}, unreadable


def _latest(accounts: dict[Path, Path]) -> list[Path]:
    if len(accounts) <= _MOST:
        return [*accounts]
    latest = {*sorted(accounts, key=_changed)[-_MOST:]}
    return [path for path in accounts if path in latest]


def _changed(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _names(owners: dict[Path, Path]) -> dict[Path, str]:
    places = dict.fromkeys(place.resolve() for place in owners.values())
    names = dict(zip(places, distinct_names([*places]) if places else [], strict=True))
    return {path: names[place.resolve()] for path, place in owners.items()}
